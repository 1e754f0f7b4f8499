# shellcheck shell=bash
# Presses keys in the dialog of a session's pane, and reports what it shows then. Argument: a PressRequest (scripts/answer.ts).
# Parts: pressed (0; 1 the session is gone, 2 its program has ended, 3 tmux failed, 4 the dialog has changed), pane.
declare -A request
read_request "$1" || exit
text=${request[text]}
# For the effect of the keys: an answered dialog is redrawn at once, but slowly on a busy machine.
readonly patience_seconds=10
# For the same after something else has changed. A next dialog may have its cursor in the same line.
readonly redraw_seconds=3

capture() {
  tmux capture-pane -p -J -S -40 -t "$pane"
}

# has_line LINE CONTENT: whether a pane's content has it, apart from leading and trailing blanks.
has_line() {
  local shown
  while IFS= read -r shown; do
    shown=${shown#"${shown%%[![:space:]]*}"}
    if [ "${shown%"${shown##*[![:space:]]}"}" = "$1" ]; then return 0; fi
  done <<<"$2"
  return 1
}

# cursor_line CONTENT: the last line with a cursor.
cursor_line() {
  local shown last=''
  while IFS= read -r shown; do
    shown=${shown#"${shown%%[![:space:]]*}"}
    if [[ $shown == ❯* ]]; then last=${shown%"${shown##*[![:space:]]}"}; fi
  done <<<"$1"
  printf '%s\n' "$last"
}

# await_change [NEXT]: waits until the pane has the line NEXT; without it, until the line $aimed is gone.
await_change() {
  local now end=$((SECONDS + patience_seconds)) changed=no
  while ((SECONDS < end)); do
    now=$(capture)
    if [ -n "${1-}" ]; then
      if has_line "$1" "$now"; then return; fi
    elif ! has_line "$aimed" "$now"; then
      return
    elif [ "$now" != "$before" ] && [ "$changed" = no ]; then
      changed=yes
      if ((SECONDS + redraw_seconds < end)); then end=$((SECONDS + redraw_seconds)); fi
    fi
    sleep 0.2
  done
}

# type_text: typed, not pasted, since a program reads a paste as a prompt. Returns when the text is shown: the keys after it
# are aimed at another line then.
type_text() {
  # tmux takes a semicolon at the end for the end of the command, even with -l (findings/tmux-send-keys-loses-a-semicolon.sh).
  if [[ $text == *\; ]]; then text=${text%;}\\\;; fi
  said=$(tmux send-keys -t "$pane" -l -- "$text" 2>&1) || return
  await_change
  before=$(capture)
  aimed=$(cursor_line "$before")
}

press() {
  local key
  # One at a time: two keys at once may be read as one.
  for key in ${request[keys]}; do tmux send-keys -t "$pane" "$key" && sleep 0.1 || return; done
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
aimed=${request[line]}
if ! has_line "$aimed" "$before"; then
  emit_part pressed 4 ''
  emit_part pane 0 "$before"
  exit 0
fi
if { [ -n "$text" ] && ! type_text; } || ! said=$(press 2>&1); then
  emit_part pressed 3 "$said"
  exit 0
fi
await_change "${request[next]}"
# When it is fully drawn.
sleep 0.5
emit_part pressed 0 ''
emit_part pane 0 "$(capture)"
