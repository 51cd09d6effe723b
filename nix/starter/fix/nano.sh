afterBuild() {
  findUnit libmagic-mgc
  wrap bin/nano "export MAGIC=\"\${MAGIC-$REPLY/lib/file/magic.mgc}\""
  # Highlighting: read from the profile's /etc, or from here.
  sed -i "s|/usr/share/nano|$out/share/nano|g" "$out/etc/nanorc"
}
