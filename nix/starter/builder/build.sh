# Builds one unit of the starter set: unpacks its .debs, lays their files out as a store path (bin, lib, share …), and makes
# them run from there: symlinks resolved, ELF interpreter and RUNPATH set, #! lines pointed into the store.
#
# In:  debs      the .debs, in the lock's order
#      deps      store paths of the units that this one depends on directly (Debian's Depends)
#      keep      those of them that stay referenced even if nothing found below mentions them (data, modules, programs)
#      bash      the store path of bash, or empty where bash itself depends on this unit
#      links     more names for programs in bin: name=target …
#      native    the same unit of the host, where the unit asks for it and is of another architecture; else empty
#      unit, triplet, interpreter, tools, parts (this directory); fix: a script with the unit's own corrections, or empty; outputs
#
# Same input, same bytes, on every machine: every walk is sorted, tools come from the archive, nothing looks at the host.
set -euo pipefail
shopt -s nullglob dotglob extglob
export PATH=$tools/bin LC_ALL=C TZ=UTC0
umask 022
root=$out/.unpacked # on the store's own file system, so that moving files costs nothing
read -ra debs <<<"$debs"
read -ra deps <<<"$deps"
read -ra keep <<<"$keep"

# What Debian ships and no image needs. Man pages live only where the unit has an output for them.
leaveOut=(
  doc info lintian bug doc-base locale menu reportbug applications metainfo appdata pixmaps icons pkgconfig aclocal gtk-doc
  bash-completion zsh/vendor-completions fish/vendor_completions.d initramfs-tools gir-1.0 vala apport omf help
)
excludes=(--exclude=./var --exclude=./run --exclude=./boot --exclude=./lib64 --exclude=./usr/lib64 --exclude=./etc/init.d --exclude=./etc/cron.\*
  --exclude=./etc/systemd --exclude=./etc/default --exclude=./etc/logrotate.d --exclude=./etc/apparmor.d --exclude=./usr/include --exclude=\*.a
  --exclude=\*/pkgconfig --exclude=./lib/systemd --exclude=./usr/lib/systemd --exclude=./usr/lib/sysusers.d --exclude=./usr/lib/tmpfiles.d --exclude=./lib/udev
  --exclude=./usr/lib/"$triplet"/gconv --exclude=./usr/lib/debug --exclude=\*.pyc --exclude=__pycache__)
for directory in "${leaveOut[@]}"; do excludes+=("--exclude=./usr/share/$directory"); done
[[ " $outputs " == *" man "* ]] || excludes+=(--exclude=./usr/share/man)

source "$parts/layout.sh"
source "$parts/elf.sh"
source "$parts/scripts.sh"
# Hooks of the unit's own corrections: afterUnpack works on $root (Debian's tree), afterBuild on $out.
afterUnpack() { :; }
afterBuild() { :; }
if [[ -n $fix ]]; then source "$fix"; fi

mkdir -p "$root"
for deb in "${debs[@]}"; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --no-same-owner --no-same-permissions --keep-directory-symlink "${excludes[@]}"
done
chmod -R u+rwX,go-w "$root"
afterUnpack
takeLinks
layOut
makeLinks
patchElfs
patchScripts
wrapPerl
wrapPython
afterBuild
for names in $links; do [[ ! -e $out/bin/${names#*=} ]] || ln -sf "${names#*=}" "$out/bin/${names%%=*}"; done
find "$out" -depth -type d -empty -delete
mkdir -p "$out"

if [[ " $outputs " == *" man "* ]]; then
  mkdir -p "$man/share"
  if [[ -d $out/share/man ]]; then mv "$out/share/man" "$man/share/man"; fi
  find "$out" -depth -type d -empty -delete
  mkdir -p "$out"
fi

# Nix finds references by scanning: what only the running program would look for is named here.
# (A library package without a library is data.)
references=()
for dependency in "${deps[@]}"; do
  libraries=("$dependency"/lib/*.so*)
  if [[ " ${keep[*]-} " == *" $dependency "* ]] || ((${#libraries[@]} == 0)); then references+=("$dependency"); fi
done
if ((${#references[@]})); then
  mkdir -p "$out/nix-support"
  printf '%s\n' "${references[@]}" >"$out/nix-support/starter-references"
fi
