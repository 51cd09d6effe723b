# An image as a derivation: the same that `firn build` and a registry make of the same packages, byte
# for byte. From one's own Nix code:
#
#   import ./firn/nix/image.nix { inherit pkgs; } { packages = [ "git" "curl" ]; shell = true; }
#   import ./firn/nix/image.nix { inherit pkgs; } { packages = { site = import ./site.nix; }; }
#
# A list names packages of pkgs as an image's name does; a set gives derivations by such names. $out is
# an OCI layout, for `skopeo copy oci:result:latest docker://…`; `format` says otherwise.
{ pkgs
  # What runs the builder, and what compresses. In place of a derivation: Node's directory, and what the
  # machine's loader calls the library, where builds are not sandboxed.
, nodejs ? (pkgs.buildPackages or pkgs).nodejs
, libdeflate ? (pkgs.buildPackages or pkgs).libdeflate
  # The builder, one file of JavaScript; by default it is bundled from these sources.
, builder ? import ./image-builder.nix { inherit pkgs; system = host; }
  # The machine that builds it.
, host ? nodejs.system or (builtins.currentSystem or pkgs.stdenv.buildPlatform.system)
}:
{ packages
  # bash, coreutils, moreutils and nano too; bash is what runs.
, shell ? false
, system ? pkgs.stdenv.hostPlatform.system or pkgs.system or host
  # What the image says it was made from. Those of a registry, for its digest: its set's identity
  # (`channel`, `starter`, `path` or `git-<16 hex>`) and 40 hex digits.
, packageSet ? "nix"
, revision ? "0000000000000000000000000000000000000000"
, tag ? "latest"
  # The file of a layer plan (`firn plan`).
, plan ? null
  # Every layer in zstd too.
, zstd ? false
  # oci (a directory), oci-archive or docker-archive (a file).
, format ? "oci"
}:
let
  inherit (import ./find.nix) find isDerivation;
  inherit (import ./describe.nix { inherit system; honoursSystem = true; }) describe outputOf;

  # As edge/contract/names.ts has them.
  basePackages = [ "cacert" "iana-etc" ];
  shellPackages = [ "bashinteractive" "coreutils" "moreutils" "nano" ];

  given = if builtins.isList packages then { } else packages;
  asked = if builtins.isList packages then packages else builtins.attrNames packages;
  names = asked ++ basePackages ++ (if shell then shellPackages else [ ]);
  # Each once: a list that names a package twice means the same.
  distinct = builtins.attrNames (builtins.listToAttrs (map (name: { inherit name; value = null; }) names));

  foundOf = name:
    let
      found =
        if given ? ${name} then { value = given.${name}; path = [ name ]; output = false; }
        else find pkgs name;
    in
    if found ? missing then
      throw "firn: there is no ${name}: the set has no attribute ${found.missing}"
    else if !isDerivation found.value then
      throw "firn: ${name} is no package but a ${builtins.typeOf found.value}"
    else found;
  found = map (name: { inherit name; at = foundOf name; }) distinct;

  # Zstandard came to Node with 22.15.
  version = nodejs.version or "22.15";
  node =
    if builtins.compareVersions version "22.15" < 0
    then throw "firn: Node ${version} is too old for the builder: give a `nodejs` of 22.15 or newer"
    else "${nodejs}/bin/node";
in
derivation {
  name = "image-${builtins.head (asked ++ [ "shell" ])}"
    + { oci = ""; oci-archive = ".tar"; docker-archive = ".tar"; }.${format};
  system = host;
  __structuredAttrs = true;
  # Nothing in the image is looked at: it refers to no store path.
  unsafeDiscardReferences.out = true;
  builder = node;
  args = [ "${builder}/main.mjs" ];
  exportReferencesGraph.closure = map ({ at, ... }: "${outputOf at}") found;
  image = {
    inherit system packageSet revision tag zstd format;
    components = asked ++ (if shell then [ "shell" ] else [ ]);
    packages = map ({ name, at }: describe name at) found;
    plan = if plan == null then null else "${plan}";
    libdeflate =
      if builtins.isString libdeflate then libdeflate
      else "${libdeflate.lib or (libdeflate.out or libdeflate)}/lib/libdeflate.so.0";
  };
}
