# Where git finds its parts is compiled in. The programs in lib/git-core get the plain git: they inherit the environment.
afterBuild() {
  findUnit openssh
  wrap bin/git \
    "export GIT_EXEC_PATH=\"$out/lib/git-core\"" \
    "export GIT_TEMPLATE_DIR=\"\${GIT_TEMPLATE_DIR-$out/share/git-core/templates}\"" \
    "export GITPERLLIB=\"$out/share/perl5\"" \
    'if [ -z "${GIT_SSL_CAINFO-}" ] && [ -n "${SSL_CERT_FILE-}" ]; then export GIT_SSL_CAINFO="$SSL_CERT_FILE"; fi' \
    "export PATH=\"\${PATH:+\$PATH:}$REPLY/bin\""
  # For hooks, aliases and local clones git starts /bin/sh, by that path: an image of git alone must have one.
  ln -s "$bash/bin/sh" "$out/bin/sh"
  ln -sf ../../bin/.git-wrapped "$out/lib/git-core/git"
}
