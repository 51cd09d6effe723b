# Finds what one component of an image name means in a package set. Evaluates nothing but the path
# that is asked for, so a set may be infinite, or broken elsewhere.
#
# A registry name is lower case, begins with a letter or digit, and has `.` between nested
# attributes. At each level the first of these is taken:
#   1. the attribute of exactly that name;
#   2. for a leading digit, the attribute with `_` before it (7zz → _7zz: a Nix identifier cannot
#      begin with a digit);
#   3. an attribute that differs by case only, the first in sorted order when several do
#      (imagemagick → ImageMagick).
# An attribute name with a `.` in it cannot be asked for.
let
  chars = text: builtins.genList (i: builtins.substring i 1 text) (builtins.stringLength text);
  lower = builtins.replaceStrings
    (chars "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    (chars "abcdefghijklmnopqrstuvwxyz");

  split = name: builtins.filter builtins.isString (builtins.split "\\." name);

  attributeFor = set: component:
    let
      leadingDigit = builtins.match "[0-9].*" component != null;
      wanted = [ component ] ++ (if leadingDigit then [ "_${component}" ] else [ ]);
      exact = builtins.filter (name: set ? ${name}) wanted;
      # Lengths first: lower-casing all 20,000 names of nixpkgs costs more than all else here.
      # attrNames is sorted.
      sameLength = a: b: builtins.stringLength a == builtins.stringLength b;
      sameLetters = name: builtins.filter
        (candidate: sameLength candidate name && lower candidate == name)
        (builtins.attrNames set);
      found = exact ++ builtins.concatMap sameLetters wanted;
    in if found == [ ] then null else builtins.head found;

  isDerivation = value: builtins.isAttrs value && (value.type or null) == "derivation";

  # Gives { value; path; output; }, or { missing; path; type; }: `missing` is the component that does
  # not exist, `path` where, and `type` in what. `output`: the last component is an output of a
  # package (git.man), not a package.
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
      in
      if attribute == null
      then { missing = component; inherit (at) path; type = typeOf at.value; }
      else walk next (builtins.tail components);

  typeOf = value: if isDerivation value then "package" else builtins.typeOf value;
in
{
  inherit chars isDerivation lower typeOf;
  find = set: name: walk { value = set; path = [ ]; output = false; } (split name);
}
