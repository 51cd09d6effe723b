# Scripts: #! lines into the store, and wrappers for programs that must be told where their things are.

# Interpreter name → REPLY, its path in the store.
interpreterOf() {
  case $1 in
    sh | bash | dash)
      [[ $1 == dash ]] && provide bin/dash && return
      [[ -n $bash ]] || return 1
      REPLY=$bash/bin/$([[ $1 == bash ]] && echo bash || echo sh)
      ;;
    *) provide "bin/$1" ;;
  esac
}

patchScripts() {
  ((${#scripts[@]})) || return 0
  local file line rest
  for file in "${scripts[@]}"; do
    [[ -x $file ]] || continue # without the bit nobody starts it by its first line
    IFS= read -r line <"$file" || true
    [[ $line =~ ^'#!'[[:blank:]]*(/usr/bin/env[[:blank:]]+)?(-S[[:blank:]]+)?([^[:blank:]]*/)?([A-Za-z0-9_.+-]+)(.*)$ ]] || continue
    rest=${BASH_REMATCH[5]}
    interpreterOf "${BASH_REMATCH[4]}" || continue
    sed -i "1s|.*|#!$REPLY${rest//|/\\|}|" "$file"
  done
}

# wrap PROGRAM LINE…: PROGRAM (below $out) becomes a shell script that runs the LINEs, then the program itself.
wrap() {
  local program=$out/$1 hidden
  hidden=${program%/*}/.${program##*/}-wrapped
  [[ -f $program && -n $bash ]] || { echo "starter set: $unit: no $1 to wrap" >&2; return 1; }
  mv "$program" "$hidden"
  { printf '#!%s\n' "$bash/bin/bash"; printf '%s\n' "${@:2}"; printf 'exec -a "$0" "%s" "$@"\n' "$hidden"; } >"$program"
  chmod 755 "$program"
}

# Directories $1… (patterns) below this unit and every unit that it keeps referenced, directly or not → REPLY, colon-separated.
searchPath() {
  local queue=("$out" "${deps[@]}") seen=" " base pattern directory found=()
  while ((${#queue[@]})); do
    base=${queue[0]} queue=("${queue[@]:1}")
    [[ $seen == *" $base "* ]] && continue
    seen+="$base "
    for pattern in "$@"; do
      for directory in $base/$pattern; do
        if [[ -d $directory ]]; then found+=("$directory"); fi
      done
    done
    if [[ -f $base/nix-support/starter-references ]]; then mapfile -t -O "${#queue[@]}" queue <"$base/nix-support/starter-references"; fi
  done
  local IFS=:
  REPLY="${found[*]-}"
}

# Programs in bin whose #! line names $1 (a path's last part, a pattern) get variable $2 with search path $3.
wrapScripts() {
  local file line
  [[ -n $3 && -n $bash ]] || return 0
  for file in "$out"/bin/*; do
    [[ -f $file && ! -L $file ]] || continue
    IFS= read -r -N 300 line <"$file" || true
    line=${line%%$'\n'*}
    [[ $line == '#!'*/bin/$1* ]] || continue
    wrap "${file#"$out/"}" "export $2=\"$3\${$2:+:\$$2}\""
  done
}

wrapPerl() {
  [[ $unit != perl ]] || return 0
  searchPath share/perl5 'lib/perl5/5.+([0-9])'
  wrapScripts perl PERL5LIB "$REPLY"
}

wrapPython() {
  [[ $unit != python3 ]] || return 0
  searchPath lib/python3/dist-packages
  wrapScripts python3 PYTHONPATH "$REPLY"
  # A module finds those it needs by a .pth file beside it: so it can be imported wherever its directory is linked to.
  [[ -d $out/lib/python3/dist-packages ]] || return 0
  local IFS=: directory others=()
  for directory in $REPLY; do
    [[ $directory == "$out"/* ]] || others+=("$directory")
  done
  if ((${#others[@]})); then printf '%s\n' "${others[@]}" >"$out/lib/python3/dist-packages/$unit-dependencies.pth"; fi
}

# Package name (a pattern) → REPLY, the store path of that dependency.
findUnit() {
  for REPLY in "${deps[@]}"; do
    # shellcheck disable=SC2053
    if [[ ${REPLY##*/} == +([a-z0-9])-$1?(-[0-9]*) ]]; then return; fi
  done
  echo "starter set: $unit: no dependency named $1" >&2
  return 1
}

# replaceString FILE OLD NEW: overwrites a compiled-in string, NUL-terminated, with one that is not longer.
replaceString() {
  local old=$2 new=$3 padding=
  if ((${#new} > ${#old})); then
    echo "starter set: $unit: no room for $new in place of $old" >&2
    return 1
  fi
  if ! grep -qaF "$old" "$1"; then
    # Another release of Debian may look elsewhere: the program is built all the same.
    echo "starter set: $unit: ${1#"$out/"} does not hold $old" >&2
    return 0
  fi
  while ((${#padding} < 4 * (${#old} - ${#new}))); do padding+='\x00'; done
  sed -i "s|$(quotePattern "$old")\x00|${new//&/\\&}$padding\x00|g" "$1"
}

# Prints $1 with what sed would take for a pattern escaped.
quotePattern() { printf '%s\n' "$1" | sed 's/[][\.*^$|]/\\&/g'; }

# inProfile FILE STRING…: a compiled-in /usr/… is looked for at the root instead, where an image has the profile of its packages.
# The length stays, for code that knows it.
inProfile() {
  local string
  for string in "${@:2}"; do replaceString "$1" "$string" "/././${string#/usr/}"; done
}
