# The attribute names of a package set, or of the nested set at `path` (a JSON list of attribute
# names as Nix spells them). None of the attributes is evaluated.
{ source, system, path ? "[]" }:
let
  inherit (import ./load.nix { inherit source system; }) set;
in
builtins.attrNames (builtins.foldl' (at: name: at.${name}) set (builtins.fromJSON path))
