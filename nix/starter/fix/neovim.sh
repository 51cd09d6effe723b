afterBuild() { wrap bin/nvim "export VIMRUNTIME=\"$out/share/nvim/runtime\""; }
