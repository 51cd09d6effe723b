# A package set shaped like nixpkgs, made from Debian's archive: what Firn serves where no nixpkgs can be reached.
#
# Beside this file lie the locks (lock-amd64.json, lock-arm64.json), written by origin/starter: which .debs make which unit
# (a store path), what depends on what, and which attribute is which unit. packages.json is the hand-written part.
{ system ? builtins.currentSystem, config ? { }, overlays ? [ ], ... }:
let
  lib = import ./lib.nix;
  host = builtins.currentSystem or system;
  inherit (import ./units.nix { inherit system host lib; }) lock recipe built;

  # What nixpkgs' mkDerivation puts beside the derivation.
  describe = drv: pname: version: meta: drv // {
    inherit pname version;
    meta = { inherit (drv) name; platforms = [ system ]; available = true; broken = false; outputsToInstall = [ "out" ]; } // meta;
    passthru = { };
    override = _: drv;
    overrideAttrs = _: drv;
  };
  # `main` in packages.json: the program to run; null for a library; by default the package's own name.
  mkAttribute = path: name:
    let
      unit = lock.units.${name};
      attribute = recipe.attributes.${path};
      main = if attribute ? main then attribute.main else unit.pname;
    in
    describe built.${name} unit.pname unit.version ({ inherit (unit) description homepage; } // lib.optionalAttrs (main != null) { mainProgram = main; });

  packages = builtins.foldl' lib.recursiveUpdate { }
    (lib.mapAttrsToList (path: unit: lib.setAttrByPath (lib.splitString "." path) (mkAttribute path unit)) lock.attributes);
  base = self: packages // import ./builders.nix { inherit lib describe host; } self // {
    inherit lib system config overlays;
    pkgs = self;
    tests = import ./tests.nix { inherit (self) bash runCommand; inherit config; };
    stdenv = { inherit system; hostPlatform = { inherit system; isLinux = true; }; buildPlatform = { system = host; }; isLinux = true; };
    # Builders run on the host: their tools too.
    buildPackages = if system == host then self else import ./. { system = host; inherit config overlays; };
  };
in
lib.fix (builtins.foldl' (previous: overlay: lib.extends overlay previous) base overlays)
