# Two builds that tell what a build may see here. Each is made anew: `nonce` is part of it.
#   ordinary  writes what it sees: its parent process, a file of this machine (`marker`), network
#             interfaces, and as whom it runs. Everything in it is the shell's own: a sandbox has no
#             other program.
#   escaping  asks to run outside (__noChroot), which `sandbox = true` refuses and `relaxed` grants.
{ nonce, marker }:
let
  probe = name: extra: derivation ({
    inherit name nonce marker;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
    # Built here: what another machine's sandbox does is of no use.
    preferLocalBuild = true;
    allowSubstitutes = false;
  } // extra);
  script = ''
    {
      echo "parent $PPID"
      if [ -e "$marker" ]; then echo "marker seen"; fi
      while read -r name rest; do
        case $name in *:*) echo "interface $name" ;; esac
      done </proc/net/dev
      while read -r name id rest; do
        if [ "$name" = Uid: ]; then echo "uid $id"; fi
      done </proc/self/status
      while read -r inside outside count; do
        echo "map $inside $outside $count"
      done </proc/self/uid_map
    } >"$out"
  '';
in
{
  ordinary = probe "firn-sandbox-probe" { };
  escaping = probe "firn-sandbox-escape" { __noChroot = true; };
}
