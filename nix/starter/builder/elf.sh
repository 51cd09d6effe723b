# Makes ELF files load from the store: the interpreter of this set's own libc, and as RUNPATH exactly the directories
# that hold what the file needs, so that Nix finds the references that are used and no others.

# REPLY: directory of the library named $1; from $out, else from the dependency that comes first.
declare -A libraryDirectory=()
indexLibraries() {
  local base name directory libraries
  for base in "$out" "${deps[@]}"; do
    libraries=("$base"/lib*/)
    ((${#libraries[@]})) || continue
    # Shallow before deep, then by name: lib/libx.so.1 goes before lib/variant/libx.so.1.
    while IFS=$'\t' read -r _ name directory; do
      [[ -n ${libraryDirectory[$name]-} ]] || libraryDirectory[$name]=$directory
    done < <(find "${libraries[@]}" \( -name '*.so' -o -name '*.so.*' \) -printf '%d\t%f\t%h\n' | sort -n)
  done
}

patchElf() {
  local file=$1 needed name directory path=() arguments=()
  case $file in
    *.so | *.so.*) needed=$(patchelf --print-needed "$file" 2>/dev/null) || return 0 ;;
    # A program prints its interpreter first; a static one, or an object file, makes patchelf fail: nothing to do.
    *)
      if needed=$(patchelf --print-interpreter --print-needed "$file" 2>/dev/null); then
        needed=${needed#*$'\n'}
        directory=${libraryDirectory[libc.so.6]-}
        arguments=(--set-interpreter "${directory:-$out/lib}/$interpreter")
      else
        needed=$(patchelf --print-needed "$file" 2>/dev/null) || return 0
      fi
      ;;
  esac
  for name in $needed; do
    [[ $name == ld-linux* ]] && continue
    directory=${libraryDirectory[$name]-}
    if [[ -z $directory ]]; then
      echo "starter set: $unit: ${file#"$out/"} needs $name, which no dependency has" >&2
      continue
    fi
    [[ " ${path[*]-} " == *" $directory "* ]] || path+=("$directory")
  done
  local IFS=:
  if [[ -n $needed ]]; then arguments+=(--set-rpath "${path[*]-}"); fi
  if ((${#arguments[@]})); then patchInPlace "$file" "${arguments[@]}"; fi
}

# elf(5): e_type is the half-word at 16, little-endian on both architectures.
readonly ET_EXEC=2 ET_DYN=3
# REPLY: e_type of $1. (A shell's variable would lose the NUL bytes.)
elfType() { REPLY=$(dd if="$1" bs=1 skip=16 count=1 status=none | tr '\000-\007' '0-7'); }
setElfType() { printf '%b' "\\x0$2" | dd of="$1" bs=1 seek=16 conv=notrunc status=none; }

# A program of fixed address (python3 is one) would grow at its front: patchelf 0.18 gets that wrong, so that .dynamic lies in a
# segment that is not writable (NixOS/patchelf#583). Taken for a library, it grows at its end, and no address in it changes.
patchInPlace() {
  elfType "$1"
  if ((REPLY != ET_EXEC)); then
    patchelf "${@:2}" "$1"
    return
  fi
  setElfType "$1" "$ET_DYN"
  patchelf "${@:2}" "$1"
  setElfType "$1" "$ET_EXEC"
}

elfs=() scripts=()
# One walk sorts the files: ELF ones, and scripts. Hard links are one file.
sortFiles() {
  local inode file magic
  local -A seen=()
  while IFS=$'\t' read -r file inode; do
    [[ -n ${seen[$inode]-} ]] && continue
    seen[$inode]=1
    IFS= read -r -N 4 magic <"$out/$file" || true
    case $magic in
      $'\x7fELF') elfs+=("$out/$file") ;;
      '#!'*) scripts+=("$out/$file") ;;
    esac
  done < <(find "$out" -type f -size +3c -printf '%P\t%i\n' | sort)
}

patchElfs() {
  sortFiles
  ((${#elfs[@]})) || return 0
  indexLibraries
  local file
  for file in "${elfs[@]}"; do
    # libc's own libraries find each other; patching the loader would break it.
    [[ $unit == libc6 && $file == "$out"/lib/* ]] && continue
    patchElf "$file"
  done
}
