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
  if ((${#arguments[@]})); then patchelf "${arguments[@]}" "$file"; fi
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
