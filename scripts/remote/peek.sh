# shellcheck shell=bash
# The last lines of a session's pane (the agent's, if there are several), without attaching. Arguments: WANTED LINES ANSI(yes|no).
# WANTED is a session's exact name, or the stage of exactly one session. Parts: clock, sessions, name, pane.
wanted=$1 lines=$2 ansi=$3

# The sessions that match, as PANE and NAME. The pane's id is used from then on: in a name tmux also accepts a prefix, takes a
# colon for a window's name, and a dollar sign for an id.
candidates() {
  local pane name stage at_stage=()
  while IFS=$'\t' read -r pane name; do
    if [ "$name" = "$wanted" ]; then
      printf '%s\t%s\n' "$pane" "$name"
      return
    fi
    # N-STAGE-ATTEMPT, with -fix-ROUND in a fix round: factory's names for the sessions of its stages.
    if [[ $name =~ ^[0-9]+-(.+)-[0-9]+$ ]]; then
      stage=${BASH_REMATCH[1]}
      [[ $stage =~ ^(.+)-[0-9]+-fix$ ]] && stage=${BASH_REMATCH[1]}
      if [ "$stage" = "$wanted" ]; then at_stage+=("$pane"$'\t'"$name"); fi
    fi
  done < <(agent_panes '#{pane_id}	#{session_name}' 2>/dev/null)
  if [ "${#at_stage[@]}" -gt 0 ]; then printf '%s\n' "${at_stage[@]}"; fi
}

emit_part clock 0 "${EPOCHREALTIME/,/.}"
part sessions sessions
mapfile -t found < <(candidates)
if [ "${#found[@]}" -eq 1 ]; then
  IFS=$'\t' read -r pane name <<<"${found[0]}"
  # With some lines above, so that a token that begins there is recognized.
  options=(-p -J -S "-$((lines + 20))")
  if [ "$ansi" = yes ]; then options+=(-e); fi
  emit_part name 0 "$name"
  part pane tmux capture-pane "${options[@]}" -t "$pane"
fi
