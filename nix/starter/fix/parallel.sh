# It starts perl, and ps for the load, by their bare names.
afterBuild() {
  local path= name
  for name in perl procps coreutils; do
    findUnit "$name"
    path+=:$REPLY/bin
  done
  wrap bin/parallel "export PATH=\"\$PATH$path\""
}
