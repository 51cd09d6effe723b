# The plug-ins' directory is compiled in; the profile brings this file to where sudo reads it.
afterBuild() {
  printf '%s\n' "Path plugin_dir $out/libexec/sudo/" "Path noexec $out/libexec/sudo/sudo_noexec.so" "Path sesh $out/libexec/sudo/sesh" >"$out/etc/sudo.conf"
}
