# Loads a package set: `source` is the directory that holds its default.nix, `system` the wanted Nix
# system. Gives { set; honoursSystem; }: the attribute set, and whether it takes the system as an
# argument.
#
# nixpkgs takes { system, config, overlays, … }; other sets take some of these, or others that have
# defaults, or none. So what the function's own pattern names is passed. An empty config and no
# overlays keep the machine's own (~/.config/nixpkgs) out.
{ source, system }:
let
  place = /. + source;
  imported =
    if !builtins.pathExists (place + "/default.nix") then
      throw "the package set has no default.nix${flakeHint}"
    else import place;
  flakeHint =
    if builtins.pathExists (place + "/flake.nix")
    then " (its flake.nix is not read: put a default.nix beside it)"
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

  isFunction = builtins.isFunction imported;
  arguments = argumentsFor imported;
  result = if isFunction then imported arguments else imported;
in
if !builtins.isAttrs result then
  throw "the package set is a ${builtins.typeOf result}, not a set of packages"
else {
  set = result;
  honoursSystem = isFunction && (arguments ? system || arguments ? localSystem);
}
