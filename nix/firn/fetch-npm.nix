# A package's tarball, by npm itself: the lock names no address, and npm knows the registry, or the mirror
# that the environment names.
{ runCommand, nodejs_24, cacert }:
{ name, version, integrity }:
runCommand "${builtins.replaceStrings [ "@" "/" ] [ "" "-" ] name}-${version}.tgz"
{
  nativeBuildInputs = [ nodejs_24 cacert ];
  outputHashMode = "flat";
  outputHash = integrity;
  preferLocalBuild = true;
  impureEnvVars = [ "http_proxy" "https_proxy" "no_proxy" "npm_config_registry" ];
}
''
  export HOME=$PWD NODE_EXTRA_CA_CERTS=${cacert}/etc/ssl/certs/ca-bundle.crt
  npm pack --silent ${name}@${version}
  mv *.tgz $out
''
