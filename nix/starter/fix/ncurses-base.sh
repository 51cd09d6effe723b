# The terminal descriptions alone. libtinfo looks for them in a string of 47 bytes, which a store path only fits with a
# name this short (see libtinfo6.sh): hence "ti", the usual word for terminfo's sources.
afterBuild() {
  local directory descriptions=("$out"/{lib,share}/terminfo/) # Debian 12 and 13
  mkdir "$out/.descriptions"
  for directory in "${descriptions[@]}"; do if [[ -d $directory ]]; then cp -aln "$directory." "$out/.descriptions/"; fi; done
  rm -rf "$out"/[!.]*
  mv "$out"/.descriptions/* "$out/"
}
