# shellcheck shell=bash
# The behaviour of a cobra command line: finds the command, parses its flags,
# prints help and errors. The commands themselves are in commands.sh.
# Source of the facts: the factory contract, sections 0 and 1.

COMMAND=         # e.g. "queue add"
ARGS=()          # positional arguments of the command
declare -gA FLAG  # flags that were given, by name

# Sets COMMAND, ARGS and FLAG from the command line. When help was requested,
# prints it and exits 0.
find_command() {
  local words=()
  if [[ ${1-} == help ]]; then
    shift
    set -- "$@" --help
  fi
  if [[ ${1-} != -* && -n ${1-} ]]; then
    words=("$1")
    shift
    if ! command_spec "${words[0]}"; then
      print_error "unknown command \"${words[0]}\" for \"factory\"" "Run 'factory --help' for usage."
      exit 1
    fi
    if [[ ${#SPEC_COMMANDS[@]} -gt 0 && -n ${1-} && $1 != -* ]]; then
      # An unknown SUBcommand prints the group's help with exit code 0.
      command_spec "${words[0]} $1" && words+=("$1")
      shift
    fi
  fi
  COMMAND=${words[*]}
  command_spec "$COMMAND"
  parse_flags "$@"
  if [[ ${#SPEC_COMMANDS[@]} -gt 0 ]]; then
    print_help
    exit 0
  fi
  check_args
}

# Splits "$@" into FLAG and ARGS; flags may stand anywhere before "--".
parse_flags() {
  local word name value
  while (($# > 0)); do
    word=$1
    shift
    case $word in
      --)
        ARGS+=("$@")
        return
        ;;
      -h | --help)
        print_help
        exit 0
        ;;
      --*=*)
        name=${word%%=*}
        set_flag "${name#--}" "${word#*=}"
        ;;
      --*)
        name=${word#--}
        flag_type "$name"
        if [[ $FLAG_TYPE == bool ]]; then
          value=true
        else
          (($# > 0)) || fail "flag needs an argument: --$name"
          value=$1
          shift
        fi
        set_flag "$name" "$value"
        ;;
      -?*) fail "unknown shorthand flag: '${word:1:1}' in $word" ;;
      *) ARGS+=("$word") ;;
    esac
  done
}

# Sets FLAG_TYPE to the type of a flag of this command, or fails.
flag_type() {
  local spec
  for spec in "${SPEC_FLAGS[@]}"; do
    if [[ ${spec%%|*} == "$1" ]]; then
      FLAG_TYPE=${spec#*|}
      FLAG_TYPE=${FLAG_TYPE%%|*}
      return
    fi
  done
  fail "unknown flag: --$1"
}

set_flag() {
  flag_type "$1"
  if [[ $FLAG_TYPE == int && ! $2 =~ ^[+-]?[0-9]+$ ]]; then
    fail "invalid argument \"$2\" for \"--$1\" flag: strconv.ParseInt: parsing \"$2\": invalid syntax"
  fi
  FLAG[$1]=$2
}

# Checks the number of arguments (SPEC_ARGS: any, none, min N, exact N, max N),
# then the required flags.
check_args() {
  local rule=${SPEC_ARGS% *} n=${SPEC_ARGS#* } name missing=()
  case $rule in
    any) ;;
    none) ((${#ARGS[@]} == 0)) || fail "unknown command \"${ARGS[0]}\" for \"factory $COMMAND\"" ;;
    min) ((${#ARGS[@]} >= n)) || fail "requires at least $n arg(s), only received ${#ARGS[@]}" ;;
    exact) ((${#ARGS[@]} == n)) || fail "accepts $n arg(s), received ${#ARGS[@]}" ;;
    max) ((${#ARGS[@]} <= n)) || fail "accepts at most $n arg(s), received ${#ARGS[@]}" ;;
  esac
  for name in "${SPEC_REQUIRED[@]}"; do
    [[ -v FLAG[$name] ]] || missing+=("\"$name\"")
  done
  if ((${#missing[@]} > 0)); then
    local list=${missing[*]}
    fail "required flag(s) ${list// /, } not set"
  fi
}

# fail MESSAGE: reports it as the real program does and exits 1.
fail() {
  local usage
  usage=$(usage_text)
  print_error "$1" "$usage"$'\n'
  exit 1
}

# print_error MESSAGE HINT: "Error: MESSAGE", the hint, MESSAGE once more.
print_error() {
  printf 'Error: %s\n%s\n%s\n' "$1" "$2" "$1" >&2
}

print_help() {
  printf '%s\n\n' "$SPEC_HELP"
  usage_text
}

usage_text() {
  local path="factory${COMMAND:+ $COMMAND}" spec width=11
  echo 'Usage:'
  if [[ ${#SPEC_COMMANDS[@]} -gt 0 ]]; then
    printf '  %s [command]\n\nAvailable Commands:\n' "$path"
    for spec in "${SPEC_COMMANDS[@]}"; do
      spec=${spec%%|*}
      ((${#spec} <= width)) || width=${#spec}
    done
    for spec in "${SPEC_COMMANDS[@]}"; do
      printf '  %-*s %s\n' "$width" "${spec%%|*}" "${spec#*|}"
    done
  else
    printf '  %s%s [flags]\n' "$path" "${SPEC_USE:+ $SPEC_USE}"
  fi
  printf '\nFlags:\n'
  flags_text
  if [[ ${#SPEC_COMMANDS[@]} -gt 0 ]]; then
    printf '\nUse "%s [command] --help" for more information about a command.\n' "$path"
  fi
}

# The flags in alphabetical order (as in SPEC_FLAGS), including --help.
flags_text() {
  local spec name type default text left lefts=() rights=() width=0 helped="" i command=${COMMAND:-factory}
  for spec in "${SPEC_FLAGS[@]}" "zz|||"; do
    IFS='|' read -r name type default text <<<"$spec"
    if [[ -z $helped && $name > help ]]; then
      helped=yes
      lefts+=('  -h, --help')
      rights+=("help for ${command##* }")
    fi
    [[ $name != zz ]] || break
    [[ $type != bool ]] || type=
    lefts+=("      --$name${type:+ $type}")
    case $type:$default in
      string:?*) text+=" (default \"$default\")" ;;
      int:?*) text+=" (default $default)" ;;
    esac
    rights+=("$text")
  done
  for left in "${lefts[@]}"; do
    ((${#left} <= width)) || width=${#left}
  done
  for i in "${!lefts[@]}"; do
    printf '%-*s   %s\n' "$width" "${lefts[i]}" "${rights[i]}"
  done
}
