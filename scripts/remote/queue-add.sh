# shellcheck shell=bash
# Adds a row to the queue, in any dialect.

# add_row ISSUE: a row of $project with its $config, $intent and $depends_on, as the help in $dialect has it. To be called in the
# folder of the configuration: A takes the repository and the configuration from there.
# shellcheck disable=SC2154  # set by the script that calls it
add_row() {
  local command=(factory queue add)
  if has_flag "$dialect" project; then
    command+=(--project "$project" --issue "$1")
  else
    command+=("$1")
  fi
  if has_flag "$dialect" config; then command+=(--config "$config"); fi
  if [ -n "$intent" ]; then command+=(--intent "$intent"); fi
  if [ -n "$depends_on" ]; then command+=(--depends-on "$depends_on"); fi
  with_retries "${command[@]}"
}

# add_row_as_it_was ISSUE: the same of a row that may have no intent; factory would ask an agent for one.
add_row_as_it_was() {
  if [ -z "$intent" ] && has_flag "$dialect" intent; then
    intent=-
    add_row "$1" && with_retries factory queue set-intent "$1" ''
  else
    add_row "$1"
  fi
}
