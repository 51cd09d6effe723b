# nixpkgs' trivial builders, those that small package sets and overlays use.
{ lib, describe, host }:
self:
let
  setup = builtins.toFile "setup.sh" ''
    set -eo pipefail
    export SOURCE_DATE_EPOCH=315532800
    [ "$PATH" != /path-not-set ] || PATH=
    for input in $buildInputs $nativeBuildInputs; do PATH="$input/bin''${PATH:+:$PATH}"; done
    export PATH="''${PATH:+$PATH:}$stdPath"
    if [ -n "$buildCommandPath" ]; then . "$buildCommandPath"; else eval "$buildCommand"; fi
  '';
in
{
  runCommand = name: env: buildCommand:
    let
      drv = derivation (builtins.removeAttrs env [ "meta" "passthru" "passAsFile" ] // {
        inherit name buildCommand;
        system = host;
        stdPath = lib.makeBinPath (with self.buildPackages; [ coreutils gnutar gzip gnused gnugrep findutils gawk diffutils bash ]);
        passAsFile = [ "buildCommand" ] ++ (env.passAsFile or [ ]);
        builder = "${self.buildPackages.bash}/bin/bash";
        args = [ "-e" setup ];
      });
      parsed = builtins.parseDrvName name;
    in
    describe drv (env.pname or parsed.name) (env.version or parsed.version) (env.meta or { }) // (env.passthru or { });

  # Nix fetches it itself, so in a sandbox too.
  fetchurl = { url, hash, name ? baseNameOf url }: derivation {
    inherit name url;
    builder = "builtin:fetchurl";
    system = "builtin";
    outputHashMode = "flat";
    outputHash = hash;
    preferLocalBuild = true;
    unpack = false;
    executable = false;
    impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
  };

  writeTextFile = { name, text, executable ? false, destination ? "" }: self.runCommand name { inherit text; passAsFile = [ "text" ]; } ''
    mkdir -p "$(dirname "$out${destination}")"
    cp "$textPath" "$out${destination}"
    ${lib.optionalString executable ''chmod +x "$out${destination}"''}
  '';
  writeText = name: text: self.writeTextFile { inherit name text; };
  writeShellScript = name: text: self.writeTextFile { inherit name; executable = true; text = "#!${self.bash}/bin/bash\n${text}\n"; };
  writeShellScriptBin = name: text: self.writeTextFile { inherit name; executable = true; destination = "/bin/${name}"; text = "#!${self.bash}/bin/bash\n${text}\n"; };

  symlinkJoin = { name, paths, postBuild ? "", meta ? { }, ... }: self.runCommand name { inherit paths meta; preferLocalBuild = true; allowSubstitutes = false; } ''
    mkdir -p $out
    for path in $paths; do cp -rsn --no-preserve=mode "$path"/. $out/; done
    ${postBuild}
  '';
  buildEnv = { name, paths, postBuild ? "", ... }: self.symlinkJoin { inherit name paths postBuild; };
}
