# A package set shaped like nixpkgs, made from Debian's archive: what Firn serves where no nixpkgs can be reached.
#
# Beside this file lie the locks (lock-amd64.json, lock-arm64.json), written by origin/starter: which .debs make which unit
# (a store path), what depends on what, and which attribute is which unit. packages.json is the hand-written part.
#
#   .deb (fixed output, from the machine's own mirror) ─> unit (builder/build.sh) ─> attribute
#
# Everything is built on the host, whatever system it is for: the builder only moves and patches files.
{ system ? builtins.currentSystem, config ? { }, overlays ? [ ], ... }:
let
  lib = import ./lib.nix;
  architectures = { x86_64-linux = "amd64"; aarch64-linux = "arm64"; };
  host = builtins.currentSystem or system;
  architectureOf = system: architectures.${system} or (throw "the starter set has no packages for ${system}: it knows ${toString (builtins.attrNames architectures)}");
  platform = {
    amd64 = { triplet = "x86_64-linux-gnu"; interpreter = "ld-linux-x86-64.so.2"; };
    arm64 = { triplet = "aarch64-linux-gnu"; interpreter = "ld-linux-aarch64.so.1"; };
  };
  lockOf = architecture:
    let file = ./. + "/lock-${architecture}.json"; in
    if builtins.pathExists file then builtins.fromJSON (builtins.readFile file)
    else throw "the starter set has no lock for ${architecture} here: apt had no package lists for it";
  architecture = architectureOf system;
  lock = lockOf architecture;
  inherit (builtins.fromJSON (builtins.readFile ./packages.json)) attributes units;

  # By content, so that no derivation knows where this directory is.
  source = name: builtins.path { path = ./. + "/${name}"; name = "starter-${baseNameOf name}"; };
  # The sandbox has neither apt nor the network's configuration: with `sandbox = true` Nix refuses and says so.
  onHost = { system = host; __noChroot = true; preferLocalBuild = true; allowSubstitutes = false; };

  fetchDeb = deb: derivation (onHost // {
    name = builtins.replaceStrings [ "~" "%" ":" ] [ "-" "-" "-" ] (baseNameOf deb.file);
    builder = "/bin/sh";
    args = [ (source "fetch.sh") ];
    inherit (deb) file suite sha256;
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = deb.sha256;
    impureEnvVars = [ "APT_CONFIG" "http_proxy" "https_proxy" "no_proxy" ];
  });

  tools = let lock = lockOf (architectureOf host); in derivation (onHost // platform.${architectureOf host} // {
    name = "starter-tools";
    builder = "/bin/sh";
    args = [ (source "tools.sh") ];
    debs = map (name: fetchDeb lock.debs.${name}) lock.tools;
    programs = [ "bash" "cat" "chmod" "cp" "dpkg-deb" "find" "grep" "ln" "mkdir" "mv" "patchelf" "rm" "rmdir" "sed" "sort" "tail" "tar" "touch" "tr" ];
  });

  mkUnit = name: unit:
    let
      special = units.${name} or { };
      outputs = special.outputs or [ "out" ];
      drv = derivation (onHost // platform.${architecture} // {
        name = "${unit.pname}-${unit.version}";
        inherit (unit) pname version;
        inherit outputs tools;
        builder = "${tools}/bin/bash";
        args = [ "${source "builder"}/build.sh" ];
        parts = source "builder";
        unit = name;
        debs = map (deb: fetchDeb lock.debs.${deb}) unit.debs;
        deps = map (dep: built.${dep}) unit.deps;
        keep = map (dep: built.${dep}) unit.keep;
        bash = if unit.beforeBash then "" else built.bash;
        # Names that nixpkgs' package has and Debian's has not, in bin.
        links = lib.mapAttrsToList (link: target: "${link}=${target}") (special.links or { });
        fix = if builtins.pathExists (./fix + "/${name}.sh") then source "fix/${name}.sh" else "";
      });
    in
    describe drv unit.pname unit.version (lib.optionalAttrs (unit ? description) { inherit (unit) description; } // { inherit outputs; });
  built = builtins.mapAttrs mkUnit lock.units;

  describe = drv: pname: version: { outputs ? [ "out" ], ... }@more: drv // {
    inherit pname version;
    meta = { name = drv.name; platforms = [ system ]; available = true; broken = false; outputsToInstall = outputs; } // builtins.removeAttrs more [ "outputs" ];
    passthru = { };
    override = _: drv;
    overrideAttrs = _: drv;
  };
  # `main` in packages.json: the program to run; null for a library; by default the package's own name.
  mkAttribute = path: unitName:
    let package = built.${unitName}; main = attributes.${path}.main or package.pname; in
    package // { meta = package.meta // lib.optionalAttrs (main != null) { mainProgram = main; }; };

  packages = builtins.foldl' lib.recursiveUpdate { } (lib.mapAttrsToList
    (path: unit: lib.setAttrByPath (lib.splitString "." path) (mkAttribute path unit))
    lock.attributes);
  builders = import ./builders.nix { inherit lib describe host; };
  base = self: packages // builders self // {
    inherit lib system config overlays;
    pkgs = self;
    tests = import ./tests.nix { inherit (self) runCommand; inherit config; };
    stdenv = { inherit system; hostPlatform = { inherit system; isLinux = true; }; buildPlatform = { inherit system; }; isLinux = true; };
    # Builders run on the host: their tools too.
    buildPackages = if system == host then self else import ./. { system = host; inherit config overlays; };
  };
in
lib.fix (builtins.foldl' (previous: overlay: self: let super = previous self; in super // overlay self super) base overlays)
