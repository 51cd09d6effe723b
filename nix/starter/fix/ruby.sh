# The library directories are compiled in. Gems of an image's profile count too.
afterBuild() {
  sed -i "s|(TOPDIR .*\$|\"$out\"|; s|\"\$(libdir)/\$(arch)\"|\"\$(libdir)\"|; s|CONFIG\[\"RUBY_EXEC_PREFIX\"\] = .*|CONFIG[\"RUBY_EXEC_PREFIX\"] = \"$out\"|" "$out"/lib/ruby/+([0-9.])/rbconfig.rb
  sed -i "s|/usr/share/rubygems-integration|$out/share/rubygems-integration|g" "$out"/lib/ruby/vendor_ruby/rubygems/defaults/*.rb
  local ruby version directories
  for ruby in "$out"/bin/ruby+([0-9]).+([0-9]); do
    version=${ruby##*/ruby}
    directories=("$out/lib/ruby/vendor_ruby/$version.0" "$out/lib/ruby/$triplet/vendor_ruby/$version.0" "$out/lib/ruby/vendor_ruby" "$out/lib/ruby/$version.0" "$out/lib/ruby/$triplet/$version.0" "$out/lib/ruby/$version.0/$triplet")
    local IFS=:
    wrap "bin/ruby$version" \
      "export RUBYLIB=\"\${RUBYLIB:+\$RUBYLIB:}${directories[*]}\"" \
      "export GEM_PATH=\"\${GEM_PATH:+\$GEM_PATH:}$out/share/rubygems-integration/all:$out/share/rubygems-integration/$version.0:$out/lib/ruby/gems/$version.0\""
  done
}
