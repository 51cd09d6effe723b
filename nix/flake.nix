# The outputs of a flake whose inputs are all in the store: what an origin has locked
# (origin/nix/sets/flake.ts), a store path with a JSON object.
#
#   { "root": "root", "nodes": { <name>: {
#       "path": store path of the files, "directory": where flake.nix is below it, "isFlake": bool,
#       "inputs": { <input>: <name>, or the path of inputs from the root that it follows },
#       "info": what is known of the files: narHash, rev, lastModified … } } }
#
# Nothing is fetched and no registry is asked: an input that the lock does not have does not exist.
locked:
let
  # Read as data: the references of the file are for the garbage collector.
  lock = builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile (/. + locked)));

  # The node that an input of a node means.
  nodeOf = spec: if builtins.isList spec then follow lock.root spec else spec;
  follow = node: path:
    if path == [ ] then node
    else follow (nodeOf lock.nodes.${node}.inputs.${builtins.head path}) (builtins.tail path);

  instances = builtins.mapAttrs instance lock.nodes;
  instance = name: node:
    let
      below = path: if node.directory == "" then path else path + "/" + node.directory;
      info = node.info // { outPath = below (builtins.storePath node.path); };
      flake = import (info.outPath + "/flake.nix");
      inputs = builtins.mapAttrs (_: spec: instances.${nodeOf spec}) node.inputs;
      missing = builtins.filter (input: input != "self" && !(node.inputs ? ${input}))
        (builtins.attrNames (flake.inputs or { }));
      outputs =
        if missing != [ ] then
          throw "flake.lock has no input ${builtins.head missing}: run `nix flake lock` and commit it"
        else flake.outputs (inputs // { self = result; });
      result = outputs // info // {
        inherit inputs outputs;
        sourceInfo = info // { outPath = builtins.storePath node.path; };
        _type = "flake";
      };
    in
    if node.isFlake then result else info;
in
instances.${lock.root}.outputs
