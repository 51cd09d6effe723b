# @INC is compiled in. Modules of an image's profile (/share/perl5) count too, as do those beside the link that perl was started by.
afterBuild() {
  local modules=("$out"/share/perl/5.+([0-9.]) "$out"/lib/perl/5.+([0-9.]) "$out/share/perl5" "$out"/lib/perl5/5.+([0-9]) "$out/lib/perl-base")
  [[ ${modules[0]} =~ /perl/(5\.[0-9]+) ]]
  local version=${BASH_REMATCH[1]}
  local IFS=:
  wrap bin/perl \
    'profile=${0%/bin/*}' \
    "export PERL5LIB=\"\${PERL5LIB:+\$PERL5LIB:}\$profile/share/perl5:\$profile/lib/perl5/$version:/share/perl5:/lib/perl5/$version:${modules[*]}\"" \
    'unset profile'
}
