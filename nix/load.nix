# Loads a package set given as data: `source` is the directory that holds its default.nix, `system` the Nix system wanted.
# Gives { set; honoursSystem; }: the attribute set, and whether it was told for which system it is.
#
# nixpkgs takes { system, config, overlays, … }; other people's sets take some of these, something else with defaults, or nothing at all, so what is
# passed is what the function's own pattern names. An empty config and no overlays keep the machine's own (~/.config/nixpkgs) out.
{ source, system }:
let
  place = /. + source;
  imported =
    if !builtins.pathExists (place + "/default.nix") then
      throw "the package set has no default.nix${if builtins.pathExists (place + "/flake.nix") then " (its flake.nix is not read: put a default.nix beside it)" else ""}"
    else import place;
  offered = { inherit system; config = { }; overlays = [ ]; };

  # functionArgs tells neither { }: from { ... }: nor either from args:, and a call with a wrong guess is an error; the XML of a function tells.
  takesNothing = f: builtins.match ".*<attrspat *[^>]*>.*" (oneLine f) != null && builtins.match ".*ellipsis=.*" (oneLine f) == null;
  oneLine = f: builtins.replaceStrings [ "\n" ] [ " " ] (builtins.toXML f);

  argumentsFor = f:
    let named = builtins.functionArgs f;
    in if named != { } then builtins.intersectAttrs named offered // (if named ? system || !(named ? localSystem) then { } else { localSystem = system; })
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
