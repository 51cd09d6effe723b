# update-alternatives would give the programs their plain names; modules and configuration are looked for below /usr.
afterBuild() {
  local fonts core common modules program
  findUnit fontconfig-config
  fonts=$REPLY/etc/fonts/store.conf
  findUnit 'libmagickcore*'
  core=$REPLY
  findUnit 'imagemagick_[0-9]-common'
  common=$REPLY
  modules=("$core"/lib/ImageMagick-*/modules-*)
  local configuration=("$core"/lib/ImageMagick-*/config-* "$common"/etc/ImageMagick-* "$common"/share/ImageMagick-*) IFS=:
  for program in "$out"/bin/*-im*.q16; do
    local name=${program##*/}
    [[ -e $out/bin/${name%-im*} ]] || ln -s "$name" "$out/bin/${name%-im*}"
    [[ ! -L $program ]] || continue # ImageMagick 7: links to magick, which goes by the name that it is started by
    wrap "bin/${program##*/}" \
      "export MAGICK_CODER_MODULE_PATH=\"${modules[0]}/coders\" MAGICK_CODER_FILTER_PATH=\"${modules[0]}/filters\"" \
      "export FONTCONFIG_FILE=\"\${FONTCONFIG_FILE-$fonts}\"" \
      "export MAGICK_CONFIGURE_PATH=\"\${MAGICK_CONFIGURE_PATH:+\$MAGICK_CONFIGURE_PATH:}${configuration[*]}\""
  done
}
