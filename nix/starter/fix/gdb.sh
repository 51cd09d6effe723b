# The embedded Python looks for its modules below /usr.
afterBuild() {
  findUnit python3
  wrap bin/gdb "export PYTHONHOME=\"$REPLY\""
}
