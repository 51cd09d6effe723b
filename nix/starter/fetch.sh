# Builder of a fixed-output derivation: one .deb from the archive, by its place there and its SHA-256.
# Which mirror that is (and through which proxy, with which credentials) only the machine's own apt configuration knows,
# at the moment of fetching: so no host's name is ever in a derivation, and the output is the same whichever mirror served it.
set -eu
export PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C HOME="$PWD"
helper=/usr/lib/apt/apt-helper
if ! command -v apt-get >/dev/null || ! [ -x "$helper" ]; then
  echo "starter set: fetching $file needs apt (apt-get and $helper), that is Debian or Ubuntu" >&2
  exit 1
fi
# The lists are looked for in an empty place: with them, apt would parse every Release file before it answers.
targets=$(apt-get -o Dir::State::lists="$PWD/no-lists" indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages')
# The suite that the lock names goes first; the others follow for a machine that spells it differently (stable, oldstable).
uris=$(printf '%s\n' "$targets" | sed -n "s/^$suite //p"; printf '%s\n' "$targets" | sed 's/^[^ ]* //')
tried=
for uri in $uris; do
  case " $tried " in *" $uri "*) continue ;; esac
  tried="$tried $uri"
  # apt-helper verifies the hash and removes what fails it; Nix verifies again.
  if "$helper" -o Acquire::Retries=2 -o APT::Sandbox::User=root download-file "$uri$file" "$PWD/deb" "SHA256:$sha256" >log 2>&1; then
    mv deb "$out"
    chmod 644 "$out"
    exit 0
  fi
  # User and password of a URI stay out of the log.
  sed 's#://[^/@ ]*@#://#g; s/^/  /' log >>failures
done
echo "starter set: $file could not be fetched from any mirror of this machine's apt configuration:" >&2
cat failures >&2 || echo "  apt knows no repository: is there anything in /etc/apt/sources.list.d?" >&2
echo "Is the mirror reachable, and does it still hold this version? (Firn refreshes its package lists at start; so does 'apt-get update' for the machine.)" >&2
exit 1
