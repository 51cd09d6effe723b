afterBuild() {
  local program version=("$out"/share/groff/+([0-9.]))
  for program in groff troff grotty; do
    wrap "bin/$program" "export GROFF_TMAC_PATH=\"\${GROFF_TMAC_PATH:+\$GROFF_TMAC_PATH:}${version[0]}/tmac:$out/etc/groff\" GROFF_FONT_PATH=\"\${GROFF_FONT_PATH:+\$GROFF_FONT_PATH:}${version[0]}/font\"" \
      "export PATH=\"$out/bin:\$PATH\""
  done
}
