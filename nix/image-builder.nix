# The builder of image.nix: origin/image/derivation.ts with all that it imports as one file, main.mjs,
# bundled by esbuild. koffi, which calls libdeflate, has a part that is no JavaScript: it stays beside.
#
# Packages of npm are those of package-lock.json: out of ../node_modules where `npm install` has made
# it, else fetched (firn/npm.nix).
{ pkgs, system }:
let
  inherit (import ./firn/npm-closure.nix ../package-lock.json) closure;
  cpu = { x86_64-linux = "x64"; aarch64-linux = "arm64"; }.${system};
  dependencies = builtins.attrNames (builtins.fromJSON (builtins.readFile ../package.json)).dependencies;
  # Programs that the bundle does not hold.
  programs = [ "esbuild" "node" "preact" "workerd" "wrangler" ];
  asked = builtins.filter (name: !(builtins.elem name programs)) dependencies
    ++ [ "@esbuild/linux-${cpu}" "@koromix/koffi-linux-${cpu}" ];
  wanted = closure asked;

  relative = root: path:
    builtins.substring (builtins.stringLength (toString root) + 1) (-1) (toString path);
  # A directory of a scope (@smithy) holds packages; all below a package is part of it.
  inModules = path:
    let parts = builtins.match "node_modules/((@[^/]+/)?[^/]+)(/.*)?" path;
    in path == "node_modules"
      || builtins.match "node_modules/@[^/]+" path != null
      || (parts != null && builtins.elem (builtins.head parts) wanted && !(forPeople path));
  # What is for people and type checkers, half of all files.
  forPeople = path: builtins.match ".*\\.(d\\.[cm]?ts|map|md)" path != null;
  select = name: wants: builtins.path {
    inherit name;
    path = ../.;
    filter = path: _: wants (relative ../. path);
  };
  installed = select "firn-modules" inModules;
  fetchNpm = pkgs.fetchNpm or (import ./firn/fetch-npm.nix { inherit (pkgs) runCommand nodejs_24 cacert; });
  fetched = (import ./firn/npm.nix { inherit (pkgs) runCommand; inherit fetchNpm; } ../package-lock.json).modules asked;
  modules = if builtins.pathExists ../node_modules then installed else fetched;

  source = select "firn-source" (path:
    builtins.match "edge|edge/(contract|compose)(/.*)?|origin|origin/.*|package.json" path != null);
  koffi = "${modules}/node_modules/koffi/index.cjs";
in
derivation {
  name = "firn-image-builder";
  inherit system;
  builder = "${modules}/node_modules/@esbuild/linux-${cpu}/bin/esbuild";
  NODE_PATH = "${modules}/node_modules";
  args = [
    "${source}/origin/image/derivation.ts"
    "--bundle"
    "--platform=node"
    "--format=esm"
    "--target=node22"
    "--alias:koffi=${koffi}"
    "--external:${koffi}"
    # What is CommonJS in it asks for Node's own modules by require.
    "--banner:js=import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);"
    "--outfile=${builtins.placeholder "out"}/main.mjs"
    "--log-level=warning"
  ];
}
