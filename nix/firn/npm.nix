# npm packages as package-lock.json has them, each fetched from npm's registry and held to the lock's
# hash. None of their scripts is run.
{ runCommand, fetchurl }:
lockFile:
let
  inherit (import ./npm-closure.nix lockFile) lock keysOf closure;

  # Where the registry has it, also by npm's mirrors: /@scope/name/-/name-1.2.3.tgz. The lock names no
  # address.
  fetch = name: { version, integrity, ... }: fetchurl {
    name = "${builtins.replaceStrings [ "@" "/" ] [ "" "-" ] name}-${version}.tgz";
    url = "https://registry.npmjs.org/${name}/-/${baseNameOf name}-${version}.tgz";
    hash = integrity;
  };
  # "node_modules/a/node_modules/@b/c" → "@b/c"
  nameOf = key: builtins.head (builtins.match ".*node_modules/((@[^/]+/)?[^/]+)" key);
  at = key: {
    inherit key;
    tarball = fetch (lock.${key}.name or (nameOf key)) lock.${key};
  };
in
{
  inherit lock fetch;
  # $out/node_modules with these packages and what they need, without what is for people and type
  # checkers, half of all files.
  modules = names:
    let places = map at (builtins.concatMap keysOf (closure names)); in
    runCommand "firn-modules"
      { keys = map ({ key, ... }: key) places; tarballs = map ({ tarball, ... }: tarball) places; }
      ''
        set -- $tarballs
        for key in $keys; do
          mkdir -p "$out/$key"
          tar -xzf "$1" -C "$out/$key" --strip-components=1 --no-same-owner --no-same-permissions \
            --exclude='*.d.ts' --exclude='*.d.mts' --exclude='*.d.cts' --exclude='*.map' --exclude='*.md'
          shift
        done
        chmod -R u+rwX,go+rX-w "$out"
      '';
}
