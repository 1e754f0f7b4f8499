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

function _factory_worker {
  local -a candidates
  candidates=("${(@f)$(command factory-worker complete zsh -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  if [[ ${candidates[1]-} == :files ]]; then
    compset -P '*='
    _files
  elif [[ -n ${candidates[1]-} ]]; then
    _describe -t factory-worker factory-worker candidates
  fi
}

if ! typeset -f compdef >/dev/null; then
  autoload -Uz compinit && compinit -i
fi
compdef _factory_worker factory factory-worker
