# What each of `names` (a JSON list of image-name components) means in a package set, as data.
# Evaluated strictly, as JSON; in read-write mode the derivations are in the store afterwards. By
# kind:
#   package  { name; attribute; drvPath; storePath; output; pname; version; description;
#              mainProgram; homepage; licenses = [ { spdxId; name; } ]; }
#   missing  { name; missing; path; type; }  `missing` does not exist in the `type` at `path`
#   other    { name; type; }                 it exists and is no package
#   foreign  { name; system; }               a set that takes no system has it for another one only
#   throws   { name; }                       it throws, or an assertion fails; evaluated alone with
#                                            catch = "false" it gives the message
# Before each of them `<mark> <index>` is traced: when the evaluation dies, the last one is the cause.
# No package knows the mark.
{ source, system, names, mark, catch ? "true" }:
let
  inherit (import ./load.nix { inherit source system; }) set honoursSystem;
  inherit (import ./find.nix) find;
  inherit (import ./describe.nix { inherit system honoursSystem; }) describe;
  describeName = name: describe name (find set name);

  caught = name:
    let
      description = describeName name;
      tried = builtins.tryEval (builtins.deepSeq description description);
    in if tried.success then tried.value else { kind = "throws"; inherit name; };

  wanted = builtins.fromJSON names;
  each = index:
    let name = builtins.elemAt wanted index;
    in builtins.trace "${mark} ${toString index}"
      (if catch == "true" then caught name else describeName name);
in
# The set is evaluated first, so that an error of the set is no error of a package.
builtins.seq set (builtins.genList each (builtins.length wanted))
