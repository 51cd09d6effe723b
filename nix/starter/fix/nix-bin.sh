# Where Nix finds its own programs is compiled in; every command is a link to the one program.
afterBuild() { wrap bin/nix "export NIX_LIBEXEC_DIR=\"$out/libexec\" NIX_BIN_DIR=\"$out/bin\""; }
