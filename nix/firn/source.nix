# The files of a checkout that Firn is run from, as package.json lists them, without what is for people
# and type checkers. (origin/starter/firn-source.ts makes the same for the starter set.)
root:
let
  inherit (builtins.fromJSON (builtins.readFile (root + "/package.json"))) files;
  relative = path: builtins.substring (builtins.stringLength (toString root) + 1) (-1) (toString path);
  top = path: builtins.head (builtins.match "([^/]*)(/.*)?" (relative path));
in
builtins.path {
  name = "firn-source";
  path = root;
  filter = path: _:
    builtins.elem (top path) files && builtins.match ".*(\\.md|\\.d\\.ts)" (toString path) == null;
}
