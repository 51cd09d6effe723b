# The programs find their files by their own place, but lie where PATH does not. Without LLVM there is no just-in-time compiler.
# Time zones are the system's: in an image, /share/zoneinfo.
afterUnpack() { rm -rf "$root"/usr/lib/postgresql/*/lib/{llvmjit*.so,bitcode}; }
afterBuild() {
  local program
  mkdir -p "$out/bin"
  for program in "$out"/lib/postgresql/*/bin/*; do
    if grep -qaF /usr/share/zoneinfo "$program"; then inProfile "$program" /usr/share/zoneinfo; fi
    [[ -e $out/bin/${program##*/} ]] || ln -sr "$program" "$out/bin/${program##*/}"
  done
  findUnit tzdata
  mkdir -p "$out/share"
  ln -s "$REPLY/share/zoneinfo" "$out/share/zoneinfo"
}
