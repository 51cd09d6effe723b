# The command line `firn`, with all that it runs. Node strips the types of TypeScript that is below no
# node_modules, so these sources stay as they are.
{ stdenv, lib, makeWrapper, autoPatchelfHook, importNpmLock, nodejs_24, libdeflate, nix, git, gnutar, gzip }:
let
  root = ../..;
  package = builtins.fromJSON (builtins.readFile (root + "/package.json"));
  parts = [ "edge" "origin" "nix" "package.json" "tsconfig.json" "wrangler.toml" ];
  relative = path:
    builtins.substring (builtins.stringLength (toString root) + 1) (-1) (toString path);
  top = path: builtins.head (builtins.match "([^/]*)(/.*)?" (relative path));
  modules = importNpmLock.buildNodeModules { npmRoot = root; nodejs = nodejs_24; };
in
stdenv.mkDerivation {
  pname = "firn";
  inherit (package) version;
  src = builtins.path {
    name = "firn-source";
    path = root;
    filter = path: _: builtins.elem (top path) parts;
  };
  nativeBuildInputs = [ makeWrapper autoPatchelfHook ];
  # workerd and koffi come from npm as programs for any Linux; their forms for musl are not used.
  buildInputs = [ stdenv.cc.cc.lib ];
  autoPatchelfIgnoreMissingDeps = true;
  dontBuild = true;
  installPhase = ''
    mkdir -p $out/share/firn
    cp -r ${lib.concatStringsSep " " parts} $out/share/firn/
    cp -r ${modules}/node_modules $out/share/firn/node_modules
    chmod -R u+w $out/share/firn
    makeWrapper ${nodejs_24}/bin/node $out/bin/firn \
      --add-flags $out/share/firn/origin/main.ts \
      --set-default LIBDEFLATE ${libdeflate}/lib/libdeflate.so.0 \
      --suffix PATH : ${lib.makeBinPath [ nix git gnutar gzip ]}
  '';
  meta = {
    inherit (package) description;
    license = lib.licenses.mit;
    mainProgram = "firn";
    platforms = [ "x86_64-linux" "aarch64-linux" ];
  };
}
