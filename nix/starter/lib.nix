# The part of nixpkgs' lib that this set itself, and small overlays on it, use.
let b = builtins; in rec {
  fix = f: let x = f x; in x;
  extends = overlay: f: final: let prev = f final; in prev // overlay final prev;
  inherit (b) attrNames filter listToAttrs map hasAttr elem length head tail concatStringsSep foldl' genList stringLength substring isAttrs isString isList concatLists elemAt;
  splitString = sep: s: b.filter b.isString (b.split (escapeRegex sep) s);
  escapeRegex = s: b.replaceStrings [ "." "*" "+" "?" "[" "]" "(" ")" "{" "}" "^" "$" "|" "\\" ] [ "\\." "\\*" "\\+" "\\?" "\\[" "]" "\\(" "\\)" "\\{" "}" "\\^" "\\$" "\\|" "\\\\" ] s;
  lowerChars = b.genList (i: b.substring i 1 "abcdefghijklmnopqrstuvwxyz") 26;
  upperChars = b.genList (i: b.substring i 1 "ABCDEFGHIJKLMNOPQRSTUVWXYZ") 26;
  toLower = b.replaceStrings upperChars lowerChars;
  toUpper = b.replaceStrings lowerChars upperChars;
  attrByPath = path: default: e:
    if path == [ ] then e
    else if b.isAttrs e && e ? ${b.head path} then attrByPath (b.tail path) default e.${b.head path}
    else default;
  hasAttrByPath = path: e: path == [ ] || (e ? ${b.head path} && hasAttrByPath (b.tail path) e.${b.head path});
  getAttrFromPath = path: attrByPath path (throw "cannot find attribute ${concatStringsSep "." path}");
  setAttrByPath = path: v: if path == [ ] then v else { ${b.head path} = setAttrByPath (b.tail path) v; };
  recursiveUpdate = l: r: l // b.mapAttrs (k: v: if l ? ${k} && b.isAttrs v && b.isAttrs l.${k} && !(v ? type) then recursiveUpdate l.${k} v else v) r;
  nameValuePair = name: value: { inherit name value; };
  mapAttrs = b.mapAttrs;
  mapAttrsToList = f: s: b.map (n: f n s.${n}) (b.attrNames s);
  attrValues = b.attrValues;
  filterAttrs = p: s: b.listToAttrs (b.concatLists (b.map (n: if p n s.${n} then [ (nameValuePair n s.${n}) ] else [ ]) (b.attrNames s)));
  genAttrs = ns: f: b.listToAttrs (b.map (n: nameValuePair n (f n)) ns);
  concatMap = b.concatMap;
  concatStrings = concatStringsSep "";
  concatMapStringsSep = sep: f: l: concatStringsSep sep (b.map f l);
  optional = c: x: if c then [ x ] else [ ];
  optionals = c: x: if c then x else [ ];
  optionalString = c: x: if c then x else "";
  optionalAttrs = c: x: if c then x else { };
  isDerivation = x: b.isAttrs x && (x.type or "") == "derivation";
  hasPrefix = p: s: b.substring 0 (b.stringLength p) s == p;
  hasSuffix = p: s: let n = b.stringLength s; m = b.stringLength p; in n >= m && b.substring (n - m) m s == p;
  removePrefix = p: s: if hasPrefix p s then b.substring (b.stringLength p) (-1) s else s;
  unique = b.foldl' (a: x: if b.elem x a then a else a ++ [ x ]) [ ];
  flatten = x: if b.isList x then b.concatMap flatten x else [ x ];
  makeBinPath = ps: concatStringsSep ":" (b.map (p: "${p}/bin") ps);
  makeLibraryPath = ps: concatStringsSep ":" (b.map (p: "${p}/lib") ps);
  escapeShellArg = s: "'${b.replaceStrings [ "'" ] [ "'\\''" ] (toString s)}'";
  getExe = p: "${p}/bin/${p.meta.mainProgram or p.pname or (b.parseDrvName p.name).name}";
  getBin = p: p.bin or p.out or p;
  getLib = p: p.lib or p.out or p;
  licenses = { };
}
