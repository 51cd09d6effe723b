# The terminal descriptions alone. libtinfo looks for them in a string of 47 bytes, which a store path only fits with a
# name this short (see libtinfo6.sh): hence "ti", the usual word for terminfo's sources.
afterBuild() {
  mv "$out/lib/terminfo" "$out/.descriptions"
  rm -rf "$out"/[!.]*
  mv "$out"/.descriptions/* "$out/"
}
