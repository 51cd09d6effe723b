# What each of `names` (a JSON list of image-name components) is in a package set, as data. Evaluated strictly, as JSON, in read-write mode, so that the
# derivations of what was found are in the store afterwards.
#   package  { kind; name; attribute; drvPath; storePath; output; pname; version; description; mainProgram; }
#   missing  { kind; name; missing; path; type; }   nothing answers to `missing` in the `type` at `path`
#   other    { kind; name; type; }                  it exists and is no package
#   foreign  { kind; name; system; }                a set that takes no system has it for another one only
#   throws   { kind; name; }                        its evaluation throws or an assertion fails; evaluate it alone with catch = "false" for the message
{ source, system, names, catch ? "true" }:
let
  inherit (import ./load.nix { inherit source system; }) set honoursSystem;
  inherit (import ./find.nix) find isDerivation typeOf;

  # Metadata never spoils a package: what throws or is no string is left out.
  text = value:
    let tried = builtins.tryEval (if builtins.isString value then builtins.unsafeDiscardStringContext value else "");
    in if tried.success then tried.value else "";

  # A package is one output: the one asked for (git.man), else the one that nix-build builds (`outputName`), unless the package says that another
  # one is what people install (nixpkgs: meta.outputsToInstall, which buildEnv and nix-env follow).
  outputOf = found:
    let
      package = found.value;
      install = builtins.tryEval (let outputs = package.meta.outputsToInstall or [ ]; in if builtins.isList outputs then builtins.filter (name: package ? ${name}) outputs else [ ]);
      named = found.output || (package.outputSpecified or false);
    in if named || !install.success || install.value == [ ] || builtins.elem (package.outputName or "out") install.value then package
    else package.${builtins.head install.value};

  describe = name:
    let
      found = find set name;
      package = outputOf found;
      parsed = builtins.parseDrvName (text package.name);
      orParsed = given: from: if given == "" then from else given;
    in
    if found ? missing then { kind = "missing"; inherit name; inherit (found) missing path type; }
    else if !isDerivation found.value then { kind = "other"; inherit name; type = typeOf found.value; }
    else if !honoursSystem && package.system != system then { kind = "foreign"; inherit name; inherit (package) system; }
    else {
      kind = "package";
      inherit name;
      attribute = builtins.concatStringsSep "." found.path;
      drvPath = builtins.unsafeDiscardStringContext package.drvPath;
      storePath = builtins.unsafeDiscardStringContext package.outPath;
      output = package.outputName or "out";
      pname = orParsed (text (package.pname or "")) parsed.name;
      version = orParsed (text (package.version or "")) parsed.version;
      description = text (package.meta.description or "");
      mainProgram = text (package.meta.mainProgram or "");
    };

  caught = name:
    let
      description = describe name;
      tried = builtins.tryEval (builtins.deepSeq description description);
    in if tried.success then tried.value else { kind = "throws"; inherit name; };
in
# The set is forced first: one that does not load is told from a package that does not.
builtins.seq set (map (if catch == "true" then caught else describe) (builtins.fromJSON names))
