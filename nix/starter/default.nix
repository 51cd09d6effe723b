# A package set shaped like nixpkgs, made from Debian's archive: what Firn serves where no nixpkgs can be reached.
#
# Beside this file lie the locks (lock-amd64.json, lock-arm64.json), written by origin/starter: which .debs make which unit
# (a store path), what depends on what, and which attribute is which unit. packages.json is the hand-written part.
{ system ? builtins.currentSystem, config ? { }, overlays ? [ ], ... }:
let
  lib = import ./lib.nix;
  host = builtins.currentSystem or system;
  inherit (import ./units.nix { inherit system host lib; }) lock recipe built platform;

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
  # What Debian has not: Firn itself, and the Node that it runs on.
  more = self:
    let
      interpreter = "${built.libc6}/lib/${platform.interpreter}";
      libraries = [ built.libc6 built.libgcc-s1 built."libstdc++6" ];
      inherit (self.buildPackages) patchelf;
      inherit (self) runCommand;
      # As npm's configuration on this machine says; written by origin/starter, and no part of the revision.
      registry =
        if builtins.pathExists ./npm-registry then builtins.readFile ./npm-registry
        else throw "starter set: this machine has no npm to tell where packages of npm are";
    in
    rec {
      # Also npm's mirrors have a package at /@scope/name/-/name-1.2.3.tgz.
      fetchNpm = { name, version, integrity }: self.fetchurl {
        name = "${builtins.replaceStrings [ "@" "/" ] [ "" "-" ] name}-${version}.tgz";
        url = "${registry}${name}/-/${baseNameOf name}-${version}.tgz";
        hash = integrity;
      };
      nodejs_24 = import ./node.nix { inherit system interpreter libraries patchelf runCommand fetchNpm; root = ./firn; };
      firn = import ./firn {
        inherit interpreter libraries patchelf runCommand fetchNpm;
        inherit (self) stdenv bash busybox cacert git iana-etc libdeflate nix nodejs_24;
        root = ./firn;
        source = ./firn/source.tar;
      };
    };
  base = self: packages // more self // import ./builders.nix { inherit lib describe host; } self // {
    inherit lib system config overlays;
    pkgs = self;
    tests = import ./tests.nix { inherit (self) bash runCommand; inherit config; };
    stdenv = { inherit system; hostPlatform = { inherit system; isLinux = true; }; buildPlatform = { system = host; }; isLinux = true; };
    # Builders run on the host: their tools too.
    buildPackages = if system == host then self else import ./. { system = host; inherit config overlays; };
  };
in
lib.fix (builtins.foldl' (previous: overlay: lib.extends overlay previous) base overlays)
