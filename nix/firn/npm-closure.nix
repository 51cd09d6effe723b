# npm packages with all that they need, by a package-lock.json (version 3) whose packages lie side by
# side in one node_modules. What a package has below its own node_modules comes with it, and what that
# needs too.
lockFile:
let
  lock = (builtins.fromJSON (builtins.readFile lockFile)).packages;
  # The places in the lock of a package: its own, and those below it.
  keysOf = name:
    let
      prefix = "node_modules/${name}";
      length = builtins.stringLength prefix;
      belongs = key: key == prefix || builtins.substring 0 (length + 1) key == "${prefix}/";
    in
    builtins.filter belongs (builtins.attrNames lock);
  needs = name:
    builtins.concatMap (key: builtins.attrNames (lock.${key}.dependencies or { })) (keysOf name);
in
{
  inherit lock keysOf;
  # Names of the packages that these need, themselves included.
  closure = names: map ({ key }: key) (builtins.genericClosure {
    startSet = map (key: { inherit key; }) names;
    operator = { key }: map (key: { inherit key; }) (needs key);
  });
}
