# The description of files is looked for where Debian installs it.
afterBuild() {
  findUnit libmagic-mgc
  wrap bin/file "export MAGIC=\"\${MAGIC-$REPLY/lib/file/magic.mgc}\""
}
