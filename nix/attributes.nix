# The attribute names of a package set, or of what is at `path` (a JSON list of attribute names as
# Nix spells them): none, when that is no set. None of the attributes is evaluated.
{ source, system, path ? "[]" }:
let
  inherit (import ./load.nix { inherit source system; }) set;
  at = builtins.foldl' (value: name: value.${name}) set (builtins.fromJSON path);
in
if builtins.isAttrs at then builtins.attrNames at else [ ]
