# What a package set says of store paths, by their names (a JSON list: "curl-8.11.0-bin"): licences,
# homepage and description of the package that has the same name and version. Store paths do not tell
# their attribute, and to evaluate all attributes for their names would take minutes, so those are
# tried where nixpkgs has packages of such a name. Nothing is instantiated: only names and `meta` are
# evaluated. Gives { name; pname; version; description; homepage; licenses; } for each that is found.
#
#   curl-8.11.0-bin              curl          its name is curl-8.11.0, and it has an output bin
#   gcc-14.2.1-lib               gcc.cc        gcc itself is gcc-wrapper-14.2.1
#   bash-interactive-5.2p37      bashInteractive
#   python3.12-requests-2.32.3   python312Packages.requests
#   perl5.40.0-HTTP-Message-7.0  perlPackages.HTTPMessage
#
# Before each of them `<mark> <index>` is traced, as in packages.nix.
{ source, system, names, mark }:
let
  inherit (import ./load.nix { inherit source system; }) set honoursSystem;
  inherit (import ./find.nix) chars isDerivation lower;
  inherit (import ./describe.nix { inherit system honoursSystem; }) metadataOf;

  capitals = chars "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  camelCase = builtins.replaceStrings
    (map (letter: "-${lower letter}") capitals)
    capitals;
  without = sign: builtins.replaceStrings [ sign ] [ "" ];

  attributesFor = pname:
    let
      python = builtins.match "python([0-9]+)\\.([0-9]+)-(.+)" pname;
      perl = builtins.match "perl[0-9.]+-(.+)" pname;
    in
    if python != null then
      [ [ "python${builtins.head python}${builtins.elemAt python 1}Packages" (lower (builtins.elemAt python 2)) ] ]
    else if perl != null then [ [ "perlPackages" (without "-" (builtins.head perl)) ] ]
    else [
      [ pname ]
      [ (lower pname) ]
      [ (camelCase pname) ]
      [ (builtins.replaceStrings [ "-" ] [ "_" ] pname) ]
      [ "_${pname}" ]
      [ pname "cc" ]
      [ pname "unwrapped" ]
      [ "${pname}-unwrapped" ]
    ];

  valueAt = value: path:
    if path == [ ] then value
    else if builtins.isAttrs value && value ? ${builtins.head path}
    then valueAt value.${builtins.head path} (builtins.tail path)
    else null;

  isNamed = package: name:
    isDerivation package
    && (package.name == name
      || builtins.any (output: name == "${package.name}-${output}") (package.outputs or [ ]));

  # One that throws is none.
  metadataAt = name: path:
    let
      package = valueAt set path;
      found = if isNamed package name then [ ({ inherit name; } // metadataOf package) ] else [ ];
      tried = builtins.tryEval (builtins.deepSeq found found);
    in if tried.success then tried.value else [ ];

  firstOf = name: paths:
    if paths == [ ] then [ ]
    else
      let found = metadataAt name (builtins.head paths);
      in if found != [ ] then found else firstOf name (builtins.tail paths);

  wanted = builtins.fromJSON names;
  each = index:
    let name = builtins.elemAt wanted index;
    in builtins.trace "${mark} ${toString index}"
      (firstOf name (attributesFor (builtins.parseDrvName name).name));
in
builtins.seq set (builtins.concatLists (builtins.genList each (builtins.length wanted)))
