# From Debian's tree to a store path's: /usr/lib/<triplet>/x → lib/x, /usr/sbin/x → bin/x, /usr/share → share, …

# Path in Debian's tree (no leading slash) → REPLY, the path below $out; false for what is not kept.
remap() {
  case $1 in
    lib64/* | usr/lib64/* | var/* | run/* | proc/* | dev/*) return 1 ;;
    usr/lib/"$triplet"?(/*)) REPLY=lib${1#"usr/lib/$triplet"} ;;
    lib/"$triplet"?(/*)) REPLY=lib${1#"lib/$triplet"} ;;
    usr/@(sbin|games|bin)?(/*)) REPLY=bin${1#usr/@(sbin|games|bin)} ;;
    sbin?(/*)) REPLY=bin${1#sbin} ;;
    usr/?*) REPLY=${1#usr/} ;;
    *) REPLY=$1 ;;
  esac
}

# Path with . and .. and double slashes → REPLY, without them and without a leading slash.
normalize() {
  local parts=() part IFS=/
  set -f
  for part in $1; do
    case $part in
      '' | .) ;;
      ..) ((${#parts[@]} == 0)) || unset 'parts[-1]' ;;
      *) parts+=("$part") ;;
    esac
  done
  set +f
  REPLY="${parts[*]-}"
}

# Links are noted and taken away before anything moves: they mean places in Debian's tree, and two trees that become one
# (/bin and /usr/bin) often hold a link to each other under one name.
linkPaths=() linkTargets=()
takeLinks() {
  local path target
  while IFS=$'\t' read -r path target; do
    linkPaths+=("$path")
    linkTargets+=("$target")
  done < <(cd "$root" && find . -type l -printf '%P\t%l\n' | sort)
  find "$root" -type l -delete
}

# Merge a directory of Debian's tree into one of $out; a file that is already there stays.
mergeInto() {
  [[ -d $root/$1 ]] || return 0
  mkdir -p "$out/$2"
  cp -aln "$root/$1/." "$out/$2/"
  rm -rf "$root/${1%.}"
}

layOut() {
  find "$root" -depth -type d -empty -delete
  mkdir -p "$root"
  local directory
  for directory in bin sbin usr/bin usr/sbin usr/games; do mergeInto "$directory" bin; done
  for directory in "lib/$triplet" "usr/lib/$triplet" lib usr/lib; do mergeInto "$directory" lib; done
  mergeInto usr .
  mergeInto . .
}

# Path below a store path → REPLY, the whole path in $out or in the first dependency that has it; false when none has.
provide() {
  local base
  for base in "$out" "${deps[@]}"; do
    if [[ -e $base/$1 || -L $base/$1 ]]; then
      REPLY=$base/$1
      return
    fi
  done
  return 1
}

# Path below $out of a link, absolute target → the link, relative where the target is in $out too.
link() {
  local path=$out/$1 target=$2
  [[ -e $path || -L $path || $path == "$target" ]] && return
  mkdir -p "${path%/*}"
  if [[ $target == "$out"/* ]]; then ln -sr "$target" "$path"; else ln -s "$target" "$path"; fi
}

# A link may lead to another link: rounds, until one brings nothing new. What is left leads out of the closure.
makeLinks() {
  local pending=("${!linkPaths[@]}") left=() i path target
  while ((${#pending[@]})); do
    left=()
    for i in "${pending[@]}"; do
      path=${linkPaths[i]} target=${linkTargets[i]}
      [[ $target == /* ]] || target=${path%"${path##*/}"}$target
      normalize "$target"
      # update-alternatives would make this one when installing; the name is mostly that of the program itself.
      [[ $REPLY == etc/alternatives/* ]] && REPLY=usr/bin/${REPLY#etc/alternatives/}
      if remap "$REPLY" && provide "$REPLY"; then
        target=$REPLY
        if remap "$path"; then link "$REPLY" "$target"; fi
      else
        left+=("$i")
      fi
    done
    ((${#left[@]} < ${#pending[@]})) || break
    pending=("${left[@]+"${left[@]}"}")
  done
}
