# What update-ca-certificates would make on installing: one bundle, under nixpkgs' name and under Debian's,
# which is the one compiled into gnutls, curl and wget.
afterBuild() {
  mkdir -p "$out/etc/ssl/certs"
  cat "$out"/share/ca-certificates/mozilla/*.crt >"$out/etc/ssl/certs/ca-bundle.crt"
  ln -s ca-bundle.crt "$out/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$out/share" "$out/bin" "$out/etc/ca-certificates"
}
