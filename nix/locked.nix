# A text in the store that refers to store paths: as long as it has a garbage collector root, so have
# they. `paths`: a JSON list of them.
{ text, paths }:
let
  context = builtins.listToAttrs
    (map (name: { inherit name; value = { path = true; }; }) (builtins.fromJSON paths));
in
builtins.unsafeDiscardStringContext
  (builtins.toFile "firn-flake.json" (builtins.appendContext text context))
