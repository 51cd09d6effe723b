# Since Debian 13 the programs in bin are scripts that start the real ones by their whole path, and 7zz, which has every format
# built in, is called 7z: the same with the formats in a library beside it.
afterBuild() {
  local program
  for program in "$out"/bin/*; do
    if grep -qa '^exec /usr/lib/7zip/' "$program"; then sed -i "s|/usr/lib/7zip/|$out/lib/7zip/|g" "$program"; fi
  done
  [[ -e $out/bin/7zz ]] || ln -s 7z "$out/bin/7zz"
}
