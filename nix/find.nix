# Finds what one component of an image name means in a package set. Forces nothing beside the path that is asked for, so sets may be infinite or broken elsewhere.
#
# A registry name is lower case, begins with a letter or digit, and has `.` between nested attributes. At each level the first of these wins:
#   1. the attribute of exactly that name;
#   2. for a leading digit, the attribute with `_` before it (7zz → _7zz: Nix identifiers cannot begin with a digit);
#   3. an attribute that differs by case only, the first in sorted order when several do (imagemagick → ImageMagick).
# An attribute name with a `.` in it cannot be asked for.
let
  chars = text: builtins.genList (i: builtins.substring i 1 text) (builtins.stringLength text);
  lower = builtins.replaceStrings (chars "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (chars "abcdefghijklmnopqrstuvwxyz");

  split = name: builtins.filter builtins.isString (builtins.split "\\." name);

  attributeFor = set: component:
    let
      wanted = [ component ] ++ (if builtins.match "[0-9].*" component == null then [ ] else [ "_${component}" ]);
      exact = builtins.filter (name: set ? ${name}) wanted;
      # Lengths first: lower-casing all 20,000 names of nixpkgs would cost more than everything else here. attrNames is sorted.
      sameLetters = name: builtins.filter
        (candidate: builtins.stringLength candidate == builtins.stringLength name && lower candidate == name)
        (builtins.attrNames set);
      found = exact ++ builtins.concatMap sameLetters wanted;
    in if found == [ ] then null else builtins.head found;

  isDerivation = value: builtins.isAttrs value && (value.type or null) == "derivation";

  # → { value; path; output; } or { missing; path; type; }: `missing` is the component that nothing answers to, `path` and `type` say where and in what.
  # `output`: the last component named an output of a package (git.man), not a package.
  walk = at: components:
    if components == [ ] then at
    else
      let
        component = builtins.head components;
        attribute = if builtins.isAttrs at.value then attributeFor at.value component else null;
        next = {
          value = at.value.${attribute};
          path = at.path ++ [ attribute ];
          output = isDerivation at.value && builtins.elem attribute (at.value.outputs or [ ]);
        };
      in if attribute == null then { missing = component; inherit (at) path; type = typeOf at.value; }
      else walk next (builtins.tail components);

  typeOf = value: if isDerivation value then "package" else builtins.typeOf value;
in
{
  inherit isDerivation typeOf;
  find = set: name: walk { value = set; path = [ ]; output = false; } (split name);
}
