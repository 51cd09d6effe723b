# Modules are looked for in one compiled-in directory only (an environment variable is ignored, zshparam(1) on MODULE_PATH), by dlopen:
# which knows $ORIGIN. Functions may come by FPATH.
afterBuild() {
  local functions modules
  mapfile -t functions < <(find "$out/share/zsh/functions" -type d | sort)
  modules=$(cd "$out/lib/zsh" && echo *)
  replaceString "$out/bin/zsh" "/usr/lib/$triplet/zsh/$modules" "\$ORIGIN/../lib/zsh/$modules"
  local IFS=:
  wrap bin/zsh "export FPATH=\"\${FPATH:+\$FPATH:}${functions[*]}\""
  # Debian's start files read /etc/os-release, which an image has not.
  rm -rf "$out/etc/zsh" "$out/bin/zsh5" "$out/bin/rzsh"
}
