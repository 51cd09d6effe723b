afterBuild() {
  local runtime
  for runtime in "$out"/share/vim/vim+([0-9]); do
    wrap bin/vim.basic "export VIMRUNTIME=\"$runtime\""
  done
  rm -f "$out/bin/vimtutor"
}
