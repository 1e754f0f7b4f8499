# shellcheck shell=bash
# The project: its pipeline.yaml and its git repository.
# Source of the facts: the factory contract, sections 2, 3 and 7.

declare -gA CONFIG # flattened pipeline.yaml, e.g. [pipeline.stages.0.id]
CONFIG_FILE=
REPO_DIR=
declare -gA STAGE # the fields of one stage, e.g. [id], [type], [checks]

# project_read FILE: fills CONFIG. On failure sets ERROR and returns 1.
project_read() {
  local flat key value
  CONFIG=()
  if [[ ! -f $1 || ! -r $1 ]]; then
    ERROR="reading config: open $1: not a readable file"
    return 1
  fi
  if ! flat=$(awk -f "$STANDIN_LIB/factory-standin/yaml.awk" "$1"); then
    flat=${flat%"$RS"}
    ERROR="parsing config YAML: yaml: ${flat##*"$RS"}"
    return 1
  fi
  while IFS=$US read -r -d "$RS" key value; do
    CONFIG[$key]=$value
  done <<<"$flat"
}

# Loads the project of the current directory: ./pipeline.yaml (not searched
# upward) or ~/.factory/config.yaml, and the git repository around it.
project_here() {
  local home_config=${HOME:-}/.factory/config.yaml dir=$PWD searched
  searched="pipeline.yaml $home_config"
  [[ $DIALECT != c ]] || searched+=" $home_config"
  if [[ -f pipeline.yaml ]]; then
    CONFIG_FILE=$PWD/pipeline.yaml
  elif [[ -f $home_config ]]; then
    CONFIG_FILE=$home_config
  else
    fail "load config: no pipeline config found (searched: [$searched])"
  fi
  project_read "$CONFIG_FILE" || fail "load config: $ERROR"
  until [[ -e $dir/.git ]]; do
    [[ -n $dir ]] || fail 'not in a git repository'
    dir=${dir%/*}
  done
  REPO_DIR=$dir
}

# namespace_of REPO: sets NAMESPACE, the repo without its host.
namespace_of() {
  NAMESPACE=${1#*://}
  if [[ $NAMESPACE =~ ^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?/(.+)$ ]]; then
    NAMESPACE=${BASH_REMATCH[3]}
  fi
}

# find_stage ID: fills STAGE; returns 1 when the config has no such stage.
find_stage() {
  local i
  STAGE=()
  for ((i = 0; ; i++)); do
    [[ -v CONFIG[pipeline.stages.$i.id] ]] || return 1
    [[ ${CONFIG[pipeline.stages.$i.id]} == "$1" ]] && break
  done
  STAGE[id]=$1
  STAGE[type]=${CONFIG[pipeline.stages.$i.type]:-agent}
  STAGE[prompt_template]=${CONFIG[pipeline.stages.$i.prompt_template]:-$1.md}
  # A stage, or a map of them, of which only `default` is ever used.
  STAGE[on_fail]=${CONFIG[pipeline.stages.$i.on_fail]:-${CONFIG[pipeline.stages.$i.on_fail.default]:-}}
  STAGE[flags]=${CONFIG[pipeline.stages.$i.flags]:-${CONFIG[pipeline.defaults.flags]:-}}
  STAGE[model]=${CONFIG[pipeline.stages.$i.model]:-${CONFIG[pipeline.defaults.model]:-claude-opus-4-6}}
  STAGE[next]=${CONFIG[pipeline.stages.$((i + 1)).id]:-}
  # A checks_only stage runs `checks`, an agent's stage `checks_after`.
  if [[ ${STAGE[type]} == checks_only ]]; then
    STAGE[checks]=$(stage_list "$i" checks)
  else
    STAGE[checks]=$(stage_list "$i" checks_after)
  fi
}

# stage_list INDEX KEY: prints the names in a list of a stage.
stage_list() {
  local j key
  for ((j = 0; ; j++)); do
    key=pipeline.stages.$1.$2.$j
    [[ -v CONFIG[$key] ]] || return 0
    printf '%s ' "${CONFIG[$key]}"
  done
}

# seconds DURATION: sets SECONDS_OF to a Go duration like 40s, 30m or 1h30m, default 30 minutes.
seconds() {
  SECONDS_OF=1800
  [[ $1 =~ ^(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?$ && -n $1 ]] || return 0
  SECONDS_OF=$((10#0${BASH_REMATCH[2]} * 3600 + 10#0${BASH_REMATCH[4]} * 60 + 10#0${BASH_REMATCH[6]}))
}
