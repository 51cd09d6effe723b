# Debian's Node reads some of its own modules from files at start: in an image these are in the profile.
afterBuild() {
  local library module
  for library in "$out"/lib/libnode.so.+([0-9]); do
    for module in $(grep -aoE '/usr/share/nodejs/[A-Za-z0-9./_-]+[.]js' "$library" | sort -u); do inProfile "$library" "$module"; done
  done
}
