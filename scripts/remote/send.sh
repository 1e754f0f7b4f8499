# shellcheck shell=bash
# Types a text into the agent's pane of a session as its operator would. Argument: a TypeRequest (scripts/send.ts).
# Parts: typed (0; 1 the session is gone, 2 its program has ended, 3 tmux failed, 4 only a shell would read it).
declare -A request
read_request "$1" || exit
# A program takes an Enter right after a paste for a part of the paste; factory waits as long.
readonly paste_seconds=1

# A buffer instead of keys: a bracketed paste keeps line breaks, and no word of the text is taken for the name of a key.
paste_text() {
  printf '%s' "${request[text]}" | tmux load-buffer -b "operator-$$" - &&
    tmux paste-buffer -p -d -b "operator-$$" -t "$pane"
}

read -r pane pid dead in_mode <<<"$(agent_pane "${request[session]}")"
if [ -z "$pane" ]; then
  emit_part typed 1 ''
  exit 0
fi
if [ "$dead" = 1 ]; then
  emit_part typed 2 ''
  exit 0
fi
if [ "${request[shell]}" = false ] && bare_shell "$pid"; then
  emit_part typed 4 ''
  exit 0
fi
# A person has scrolled back: Enter would go to the copy mode.
if [ "$in_mode" = 1 ]; then tmux send-keys -t "$pane" -X cancel; fi
if ! said=$(paste_text 2>&1); then
  emit_part typed 3 "$said"
  exit 0
fi
if [ "${request[enter]}" = true ]; then
  sleep "$paste_seconds"
  tmux send-keys -t "$pane" Enter
fi
emit_part typed 0 ''
