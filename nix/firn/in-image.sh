# What `firn` needs to know when it is the program of an image; sourced by bin/firn. Everything that is
# to stay lies below /var/lib/firn: mount a volume there.
#
# An origin runs Nix, and the image has its programs in /nix/store but no database of them: to Nix they
# are garbage. So they are registered, with a root. On a volume, and where the container may mount, the
# store is moved there first, so that it outlives the container:
#
#   /var/lib/firn/nix ──bind──> /nix
busybox=@busybox@
state=/var/lib/firn

export HOST="${HOST-0.0.0.0}" FIRN_STATE="${FIRN_STATE-$state}" STATE_DIR="${STATE_DIR-$state/origin}"
# Where Debian's Nix looks there is no such file.
if [[ -n ${SSL_CERT_FILE-} ]]; then export NIX_SSL_CERT_FILE="${NIX_SSL_CERT_FILE-$SSL_CERT_FILE}"; fi

# Store paths of the image's own programs.
ownPaths() {
  echo @firn@
  $busybox sed -n 's|^\(/nix/store/[^/]*\)$|\1|p' @firn@/share/firn/registration | $busybox sort -u
}

moveStore() {
  local path name
  $busybox mkdir -p $state/nix/store $state/nix/var/nix
  if ! { $busybox mount -o bind $state/nix $state/nix && $busybox umount $state/nix; } 2>/dev/null; then
    echo "firn: this container may not mount: its Nix store ends with it" >&2
    return
  fi
  for path in $(ownPaths); do
    if [[ -e $state$path ]]; then continue; fi
    name=$state/nix/store/.firn-${path##*/}
    $busybox rm -rf "$name"
    if ! { $busybox cp -a "$path" "$name" && $busybox mv "$name" "$state$path"; }; then
      echo "firn: $path could not be copied into the volume at $state" >&2
      exit 1
    fi
  done
  $busybox mount -o bind $state/nix /nix
}

# Nix without a daemon builds as these users, each build in a sandbox whose only program is a shell.
configureNix() {
  local n members=
  if ! $busybox grep -q ^nixbld: /etc/group; then
    for n in {1..32}; do
      members+=${members:+,}nixbld$n
      echo "nixbld$n:x:$((30000 + n)):30000:build user $n:/var/empty:/bin/false" >>/etc/passwd
    done
    echo "nixbld:x:30000:$members" >>/etc/group
  fi
  if [[ ! -e /etc/nix/nix.conf ]]; then
    $busybox mkdir -p /etc/nix
    printf '%s\n' 'build-users-group = nixbld' 'sandbox = true' 'sandbox-fallback = false' \
      "sandbox-paths = /bin/sh=$busybox" 'max-jobs = auto' >/etc/nix/nix.conf
  fi
}

registerOwnPaths() {
  @nix@/bin/nix-store --check-validity @firn@ 2>/dev/null || {
    $busybox cat @firn@/share/firn/registration
    # This path itself, whose references are all of these: it names them there.
    printf '%s\n' @firn@ '' "$(ownPaths | $busybox wc -l)"
    ownPaths
  } | @nix@/bin/nix-store --register-validity
  $busybox mkdir -p /nix/var/nix/gcroots
  $busybox ln -sfn @firn@ /nix/var/nix/gcroots/firn
}

case ${1-} in
  origin | build | doctor)
    if ((UID == 0)); then
      # The first process of a container gets no signal that it does not ask for.
      trap 'exit 143' TERM INT
      if $busybox grep -q " $state " /proc/self/mountinfo; then moveStore; fi
      configureNix
      registerOwnPaths
    fi
    ;;
esac
