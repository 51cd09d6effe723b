# The units: every store path that the lock of one architecture names, each built from its .debs by builder/build.sh.
#
#   .deb (fixed output, from the machine's own mirror) ─> unit ─> attribute (default.nix)
#
# Everything is built on the host, whatever system it is for: the builder only moves and patches files.
{ system, host, lib }:
let
  architectures = { x86_64-linux = "amd64"; aarch64-linux = "arm64"; };
  architectureOf = system: architectures.${system} or (throw "the starter set has no packages for ${system}: it knows ${toString (builtins.attrNames architectures)}");
  platforms = {
    amd64 = { triplet = "x86_64-linux-gnu"; interpreter = "ld-linux-x86-64.so.2"; };
    arm64 = { triplet = "aarch64-linux-gnu"; interpreter = "ld-linux-aarch64.so.1"; };
  };
  lockOf = architecture:
    let file = ./. + "/lock-${architecture}.json"; in
    if builtins.pathExists file then builtins.fromJSON (builtins.readFile file)
    else throw "the starter set has no lock for ${architecture} here: apt had no package lists for it";
  architecture = architectureOf system;
  platform = platforms.${architecture};
  lock = lockOf architecture;
  recipe = builtins.fromJSON (builtins.readFile ./packages.json);

  # By content, so that no derivation knows where this directory is.
  source = path: builtins.path { inherit path; name = "starter-${baseNameOf path}"; };
  fetchScript = source ./fetch.sh;
  toolsScript = source ./tools.sh;
  parts = source ./builder;
  fixes = builtins.mapAttrs (name: _: source (./fix + "/${name}")) (builtins.readDir ./fix);
  # The sandbox has neither apt nor the network's configuration: with `sandbox = true` Nix refuses and says so.
  onHost = { system = host; __noChroot = true; preferLocalBuild = true; allowSubstitutes = false; };

  fetchDeb = _: deb: derivation (onHost // {
    name = builtins.replaceStrings [ "~" "%" ":" ] [ "-" "-" "-" ] (baseNameOf deb.file);
    builder = "/bin/sh";
    args = [ fetchScript ];
    inherit (deb) file suite sha256;
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = deb.sha256;
    impureEnvVars = [ "APT_CONFIG" "http_proxy" "https_proxy" "no_proxy" ];
  });
  debs = builtins.mapAttrs fetchDeb lock.debs;

  # The host's own units: with the host's architecture these, else those of another evaluation.
  native = if system == host then null else import ./units.nix { system = host; inherit host lib; };
  tools = if native != null then native.tools else derivation (onHost // platform // {
    name = "starter-tools";
    builder = "/bin/sh";
    args = [ toolsScript ];
    debs = map (name: debs.${name}) lock.tools;
    programs = [ "bash" "cat" "chmod" "cp" "dd" "dpkg-deb" "find" "grep" "ln" "mkdir" "mv" "patchelf" "rm" "rmdir" "sed" "sort" "tail" "tar" "touch" "tr" ];
  });

  mkUnit = name: unit:
    let special = recipe.units.${name} or { }; in
    derivation (onHost // platform // {
      name = special.storeName or "${unit.pname}-${unit.version}";
      inherit (unit) pname version;
      outputs = special.outputs or [ "out" ];
      builder = "${tools}/bin/bash";
      args = [ "${parts}/build.sh" ];
      inherit tools parts;
      unit = name;
      debs = map (deb: debs.${deb}) unit.debs;
      deps = map (dep: built.${dep}) unit.deps;
      keep = map (dep: built.${dep}) unit.keep;
      bash = if unit.beforeBash then "" else built.bash;
      fix = fixes."${name}.sh" or "";
      # Names that nixpkgs' package has and Debian's has not, in bin.
      links = lib.mapAttrsToList (link: target: "${link}=${target}") (special.links or { });
      # For what only the program itself can make, when the program is not the host's: the host's own unit.
      native = if native != null && special.native or false then native.built.${name} else "";
    });
  built = builtins.mapAttrs mkUnit lock.units;
in
{ inherit lock recipe built tools platform; }
