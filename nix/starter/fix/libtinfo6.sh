# The default of TERMINFO_DIRS is compiled in: overwritten in place, so that every program with a screen works from the store alone.
afterBuild() {
  findUnit ti
  local library base=/etc/terminfo:/lib/terminfo:/usr/share/terminfo
  for library in "$out"/lib/libtinfo.so.*.*; do replaceString "$library" "$base" "$REPLY"; done
}
