# What is known of a package that was found (find.nix), as data; packages.nix has the kinds.
# `honoursSystem`: whether the set was asked for `system`, so that all of it is for that.
{ system, honoursSystem }:
let
  inherit (import ./find.nix) isDerivation typeOf;

  # Metadata never fails a package: what throws or is no string is left out.
  text = value:
    let
      plain = if builtins.isString value then builtins.unsafeDiscardStringContext value else "";
      tried = builtins.tryEval plain;
    in if tried.success then tried.value else "";

  # A package is one output: the one asked for (git.man), else the one that nix-build builds
  # (`outputName`), unless meta.outputsToInstall names others (buildEnv and nix-env follow it).
  outputOf = found:
    let
      package = found.value;
      outputs = package.meta.outputsToInstall or [ ];
      existing = builtins.filter (name: package ? ${name}) outputs;
      tried = builtins.tryEval (if builtins.isList outputs then existing else [ ]);
      install = if tried.success then tried.value else [ ];
      named = found.output || (package.outputSpecified or false);
      default = package.outputName or "out";
    in
    if named || install == [ ] || builtins.elem default install then package
    else package.${builtins.head install};

  # meta.license: a licence or a list of them, each an attribute set of nixpkgs' lib.licenses, or a name.
  licensesOf = meta:
    let
      given = meta.license or [ ];
      one = license:
        if builtins.isAttrs license then {
          spdxId = text (license.spdxId or "");
          name = text (license.fullName or (license.shortName or ""));
        }
        else { spdxId = ""; name = text license; };
      all = map one (if builtins.isList given then given else [ given ]);
      tried = builtins.tryEval (builtins.deepSeq all all);
    in if tried.success then tried.value else [ ];

  # A homepage may be a list, of which the first counts.
  homepageOf = meta:
    let given = meta.homepage or "";
    in text (if builtins.isList given then (if given == [ ] then "" else builtins.head given) else given);

  # Name and version are what the package says, else as its derivation's name has them.
  metadataOf = package:
    let
      parsed = builtins.parseDrvName (text package.name);
      orParsed = given: from: if given == "" then from else given;
    in {
      pname = orParsed (text (package.pname or "")) parsed.name;
      version = orParsed (text (package.version or "")) parsed.version;
      description = text (package.meta.description or "");
      homepage = homepageOf (package.meta or { });
      licenses = licensesOf (package.meta or { });
    };

in
{
  inherit outputOf metadataOf;
  describe = name: found:
    let
      package = outputOf found;
    in
    if found ? missing then { kind = "missing"; inherit name; inherit (found) missing path type; }
    else if !isDerivation found.value then
      { kind = "other"; inherit name; type = typeOf found.value; }
    else if !honoursSystem && package.system != system then
      { kind = "foreign"; inherit name; inherit (package) system; }
    else {
      kind = "package";
      inherit name;
      attribute = builtins.concatStringsSep "." found.path;
      drvPath = builtins.unsafeDiscardStringContext package.drvPath;
      storePath = builtins.unsafeDiscardStringContext package.outPath;
      output = package.outputName or "out";
      mainProgram = text (package.meta.mainProgram or "");
    } // metadataOf package;
}
