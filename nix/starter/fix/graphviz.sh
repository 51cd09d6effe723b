# Plug-ins are found by a list that dot itself writes on installing (config6a). It names them without directories, so that
# the list of the host's dot holds for another architecture's plug-ins too.
afterBuild() {
  local plugins=$out/lib/graphviz plugin
  mkdir -p "$plugins"
  findUnit libgvc6
  for plugin in "$REPLY"/lib/graphviz/libgvplugin*; do ln -s "$plugin" "$plugins/"; done
  if [[ -n $native ]]; then cp "$native"/lib/graphviz/config6* "$plugins/"; else GVBINDIR=$plugins "$out/bin/dot" -c; fi
  findUnit fontconfig-config
  wrap bin/dot "export GVBINDIR=\"$plugins\"" "export FONTCONFIG_FILE=\"\${FONTCONFIG_FILE-$REPLY/etc/fonts/store.conf}\""
}
