# gpg looks for its agent in a compiled-in directory, unless this file beside it says otherwise.
afterBuild() { printf '%s\n' "rootdir = $out" 'sysconfdir = /etc/gnupg' >"$out/bin/gpgconf.ctl"; }
