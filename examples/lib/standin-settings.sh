# shellcheck shell=bash
# Settings of the three stand-ins (factory, claude, gh).
#
# A setting is a variable STANDIN_…; the environment wins over the file
# ~/.factory-standin with lines NAME=value. The file exists because neither a
# worker's scrubbed environment nor a tmux pane's login shell passes variables
# on to the programs that need them. ../README.md lists the settings.

# Fills every STANDIN_… variable that the environment does not set already.
standin_settings() {
  local file=${HOME:-}/.factory-standin line
  [[ -r $file ]] || return 0
  while IFS= read -r line || [[ -n $line ]]; do
    [[ $line =~ ^(STANDIN_[A-Z_]+)=(.*)$ ]] || continue
    [[ -v ${BASH_REMATCH[1]} ]] || printf -v "${BASH_REMATCH[1]}" '%s' "${BASH_REMATCH[2]}"
  done <"$file"
}
