# `factory worker …` is factory-worker; every other `factory …` is the program itself. With the keyword, since an alias of
# that name would be expanded in front of parentheses.
function factory {
  if [ "${1-}" = worker ]; then
    shift
    command factory-worker "$@"
  else
    command factory "$@"
  fi
}

# Written for bash 3.2, as on macOS. The line goes over as it was typed, up to the cursor, together with the part of the
# last word that readline is going to replace: it begins a new one at each = and :
_factory_worker() {
  local candidate
  COMPREPLY=()
  while IFS= read -r candidate; do
    if [ -n "$candidate" ]; then COMPREPLY+=("$candidate"); fi
  done <<<"$(command factory-worker complete bash -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)"
  if [ "${COMPREPLY[0]-}" = :files ]; then
    COMPREPLY=()
  elif type compopt >/dev/null 2>&1; then
    compopt +o bashdefault +o default
  fi
}

complete -o bashdefault -o default -F _factory_worker factory factory-worker
