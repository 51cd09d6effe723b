# npm packages as package-lock.json has them, each held to the lock's hash. None of their scripts is run.
#
#   fetchNpm   { name, version, integrity }: the package's tarball
{ runCommand, fetchNpm }:
lockFile:
let
  inherit (import ./npm-closure.nix lockFile) lock keysOf closure;

  # "node_modules/a/node_modules/@b/c" → "@b/c"
  nameOf = key: builtins.head (builtins.match ".*node_modules/((@[^/]+/)?[^/]+)" key);
  at = key: {
    inherit key;
    tarball = fetchNpm {
      name = lock.${key}.name or (nameOf key);
      inherit (lock.${key}) version integrity;
    };
  };
in
{
  inherit lock;
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
