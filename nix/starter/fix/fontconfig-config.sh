# A configuration that works from the store: FONTCONFIG_FILE names it. The fonts are the dependencies'.
afterBuild() {
  local fonts
  {
    echo '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
    for fonts in "${deps[@]}"; do
      if [[ -d $fonts/share/fonts ]]; then echo "<dir>$fonts/share/fonts</dir>"; fi
    done
    echo "<dir>/share/fonts</dir><include ignore_missing=\"yes\">$out/share/fontconfig/conf.avail/60-latin.conf</include>"
    echo '<cachedir prefix="xdg">fontconfig</cachedir><cachedir>/tmp/.fontconfig</cachedir></fontconfig>'
  } >"$out/etc/fonts/store.conf"
}
