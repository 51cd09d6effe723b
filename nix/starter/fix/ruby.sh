# The library directories are compiled in. Gems of an image's profile count too.
afterBuild() {
  local ruby version directories
  for ruby in "$out"/bin/ruby+([0-9]).+([0-9]); do
    version=${ruby##*/ruby}
    directories=("$out/lib/ruby/vendor_ruby/$version.0" "$out/lib/ruby/$triplet/vendor_ruby/$version.0" "$out/lib/ruby/vendor_ruby" "$out/lib/ruby/$version.0" "$out/lib/ruby/$triplet/$version.0" "$out/lib/ruby/$version.0/$triplet")
    for directory in "$out/lib/ruby" "$out/lib"; do [[ -d $directory ]]; done
    local IFS=:
    wrap "bin/ruby$version" \
      "export RUBYLIB=\"\${RUBYLIB:+\$RUBYLIB:}${directories[*]}\"" \
      "export GEM_PATH=\"\${GEM_PATH:+\$GEM_PATH:}$out/share/rubygems-integration/all:$out/share/rubygems-integration/$version.0:$out/lib/ruby/gems/$version.0\""
  done
}
