# shellcheck shell=bash
# Presses keys in the dialog of a session's pane, and reports what it shows then. Argument: a PressRequest (scripts/answer.ts).
# Parts: pressed (0; 1 the session is gone, 2 its program has ended, 3 tmux failed, 4 the dialog has changed), pane.
declare -A request
read_request "$1" || exit
text=${request[text]}
# An answered dialog is redrawn at once, but slowly on a busy machine.
readonly patience_seconds=10

capture() {
  tmux capture-pane -p -J -S -40 -t "$pane"
}

# has_line LINE: whether the pane shows it, apart from leading and trailing blanks.
has_line() {
  local shown
  while IFS= read -r shown; do
    shown=${shown#"${shown%%[![:space:]]*}"}
    if [ "${shown%"${shown##*[![:space:]]}"}" = "$1" ]; then return 0; fi
  done <<<"$before"
  return 1
}

press() {
  # Typed, not pasted: a program reads a paste as a prompt. tmux takes a semicolon at the end for the end of the command, even
  # with -l (findings/tmux-send-keys-loses-a-semicolon.sh).
  if [[ $text == *\; ]]; then text=${text%;}\\\;; fi
  if [ -n "$text" ]; then tmux send-keys -t "$pane" -l -- "$text" || return; fi
  # One at a time: two keys at once may be read as one.
  for key in ${request[keys]}; do tmux send-keys -t "$pane" "$key" && sleep 0.1 || return; done
}

# The pane's content after it has changed, half a second later, when it is fully drawn.
changed() {
  local end=$((SECONDS + patience_seconds))
  while ((SECONDS < end)) && [ "$(capture)" = "$before" ]; do sleep 0.2; done
  sleep 0.5
  capture
}

read -r pane _ dead in_mode <<<"$(agent_pane "${request[session]}")"
if [ -z "$pane" ]; then
  emit_part pressed 1 ''
  exit 0
fi
if [ "$dead" = 1 ]; then
  emit_part pressed 2 ''
  exit 0
fi
if [ "$in_mode" = 1 ]; then tmux send-keys -t "$pane" -X cancel; fi
before=$(capture)
if ! has_line "${request[line]}"; then
  emit_part pressed 4 ''
  emit_part pane 0 "$before"
  exit 0
fi
if ! said=$(press 2>&1); then
  emit_part pressed 3 "$said"
  exit 0
fi
emit_part pressed 0 ''
emit_part pane 0 "$(changed)"
