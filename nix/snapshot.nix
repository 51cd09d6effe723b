# Copies a directory into the store by content: the same files are the same store path on every
# machine. Left out are .git (it changes without the files changing), nix-build's `result` links
# (they point to what was built from the directory), sockets and devices, and `ignored`, a JSON list
# of absolute paths.
{ directory, ignored ? "[]" }:
let
  skipped = builtins.fromJSON ignored;
  keep = path: type:
    let name = baseNameOf path;
    in !(
      name == ".git"
      || type == "unknown"
      || (type == "symlink" && builtins.match "result(-.*)?" name != null)
      || builtins.elem (toString path) skipped
    );
in
builtins.unsafeDiscardStringContext (builtins.path {
  path = /. + directory;
  name = "source";
  filter = keep;
})
