# Loads a package set: `source` is the directory that holds its default.nix, or a locked flake
# (flake.nix), `system` the wanted Nix system. Gives { set; honoursSystem; }: the attribute set, and
# whether it takes the system as an argument.
#
# nixpkgs takes { system, config, overlays, … }; other sets take some of these, or others that have
# defaults, or none. So what the function's own pattern names is passed. An empty config and no
# overlays keep the machine's own (~/.config/nixpkgs) out.
#
# Of a flake it is packages.<system>, and below them legacyPackages.<system>. One that has none for
# this system, but for another, is an empty set: its packages do not exist here.
{ source, system }:
let
  place = /. + source;
  imported =
    if !builtins.pathExists (place + "/default.nix") then
      throw "the package set has no default.nix${flakeHint}"
    else import place;
  flakeHint =
    if builtins.pathExists (place + "/flake.nix")
    then " (its flake.nix is not read: make the package set flake:<url>, or put a default.nix beside it)"
    else "";
  offered = { inherit system; config = { }; overlays = [ ]; };

  # functionArgs is empty for { }:, { ... }: and args: alike, and only the first takes no argument.
  # The XML of the function shows the difference.
  takesNothing = f:
    builtins.match ".*<attrspat *[^>]*>.*" (oneLine f) != null
    && builtins.match ".*ellipsis=.*" (oneLine f) == null;
  oneLine = f: builtins.replaceStrings [ "\n" ] [ " " ] (builtins.toXML f);

  argumentsFor = f:
    let
      named = builtins.functionArgs f;
      onlyLocalSystem = named ? localSystem && !(named ? system);
      local = if onlyLocalSystem then { localSystem = system; } else { };
    in if named != { } then builtins.intersectAttrs named offered // local
    else if takesNothing f then { }
    else offered;

  isFlake = builtins.match ".*-firn-flake\\.json" source != null;
  outputs = import ./flake.nix source;
  kinds = builtins.filter (kind: outputs ? ${kind}) [ "legacyPackages" "packages" ];
  flakeSet =
    if kinds == [ ] then throw "the flake has neither packages nor legacyPackages"
    else builtins.foldl' (set: kind: set // (outputs.${kind}.${system} or { })) { } kinds;

  isFunction = builtins.isFunction imported;
  arguments = argumentsFor imported;
  result = if isFunction then imported arguments else imported;
in
if isFlake then {
  set = flakeSet;
  # What packages.<system> holds may be another system's all the same.
  honoursSystem = false;
}
else if !builtins.isAttrs result then
  throw "the package set is a ${builtins.typeOf result}, not a set of packages"
else {
  set = result;
  honoursSystem = isFunction && (arguments ? system || arguments ? localSystem);
}
