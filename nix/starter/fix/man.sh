# Pages lie in /share/man of an image's profile; the formatter's programs come along.
afterBuild() {
  local configuration=$out/etc/manpath.config program
  printf '%s\n' 'MANDATORY_MANPATH /share/man' 'MANPATH_MAP /bin /share/man' "DEFINE zsoelim $out/libexec/man-db/zsoelim" "DEFINE manconv $out/libexec/man-db/manconv" 'SECTION 1 n l 8 3 0 2 3type 5 4 9 6 7' >"$configuration"
  local path name
  for name in groff-base util-linux gnused; do
    findUnit "$name"
    path+=:$REPLY/bin
  done
  for program in man whatis apropos manpath; do
    [[ -f $out/bin/$program && ! -L $out/bin/$program ]] || continue
    wrap "bin/$program" "export PATH=\"\$PATH$path\"" "set -- -C \"$configuration\" \"\$@\""
  done
}
