# On installing, every extension would be enabled by a file of its own; their directory is compiled in.
# Debian's PHP reads the system's time zones: in an image, /share/zoneinfo.
afterBuild() {
  inProfile "$out"/bin/php+([0-9]).+([0-9]) /usr/share/zoneinfo /usr/share/zoneinfo/{zone.tab,%s,%s/%s}
  findUnit tzdata
  ln -s "$REPLY/share/zoneinfo" "$out/share/zoneinfo"
  local ini=$out/etc/php/conf.d/starter.ini extensions=("$out"/lib/php/20*/) file program
  mkdir -p "${ini%/*}"
  echo "extension_dir=${extensions[0]%/}" >"$ini"
  # pdo and the like go before those that build on them; Debian says so by a priority.
  for file in "$out"/share/php*/*/*.ini; do
    printf '%s %s\n' "$(sed -n 's/^; *priority=//p' "$file")" "$file"
  done | sort -n | while read -r _ file; do grep -hE '^(zend_)?extension=' "$file"; done >>"$ini"
  for program in "$out"/bin/php+([0-9]).+([0-9]); do
    ln -s "${program##*/}" "$out/bin/php"
    wrap "bin/${program##*/}" "export PHP_INI_SCAN_DIR=\"\${PHP_INI_SCAN_DIR-}:${ini%/*}\""
  done
}
