# The programs find their files by their own place, but lie where PATH does not. Without LLVM there is no just-in-time compiler.
afterUnpack() { rm -rf "$root"/usr/lib/postgresql/*/lib/{llvmjit*.so,bitcode}; }
afterBuild() {
  local program
  mkdir -p "$out/bin"
  for program in "$out"/lib/postgresql/*/bin/*; do
    [[ -e $out/bin/${program##*/} ]] || ln -sr "$program" "$out/bin/${program##*/}"
  done
}
