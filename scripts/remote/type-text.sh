# shellcheck shell=bash
# Types a text into a session as its operator would. Arguments: NAME TEXT ENTER(yes|no).
# Parts: typed (0; 1 the session has gone, 2 its program has ended, 3 tmux said no).
name=$1 text=$2 enter=$3
# A program that is pasted into takes an Enter that comes at once for a part of the paste; factory waits as long.
readonly paste_seconds=1

# By its id from then on: of a name tmux takes a prefix for the whole. The active pane of the active window.
target() {
  local id session
  while IFS=$'\t' read -r id session; do
    if [ "$session" = "$name" ]; then
      tmux display-message -p -t "$id:" '#{pane_id} #{pane_dead} #{pane_in_mode}'
      return
    fi
  done < <(tmux list-sessions -F '#{session_id}	#{session_name}' 2>/dev/null)
}

# A buffer and not keys: a bracketed paste keeps line breaks, and no word of the text is taken for the name of a key.
paste_text() {
  printf '%s' "$text" | tmux load-buffer -b "operator-$$" - &&
    tmux paste-buffer -p -d -b "operator-$$" -t "$pane"
}

read -r pane dead in_mode <<<"$(target)"
if [ -z "$pane" ]; then
  emit_part typed 1 ''
  exit 0
fi
if [ "$dead" = 1 ]; then
  emit_part typed 2 ''
  exit 0
fi
# Somebody has scrolled back: Enter would go to the copy mode.
if [ "$in_mode" = 1 ]; then tmux send-keys -t "$pane" -X cancel; fi
if ! said=$(paste_text 2>&1); then
  emit_part typed 3 "$said"
  exit 0
fi
if [ "$enter" = yes ]; then
  sleep "$paste_seconds"
  tmux send-keys -t "$pane" Enter
fi
emit_part typed 0 ''
