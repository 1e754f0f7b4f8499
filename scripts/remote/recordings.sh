# shellcheck shell=bash
# The sessions there are and those that were recorded. Parts: clock, sessions, recordings (names, one in a line).
emit_part clock 0 "${EPOCHREALTIME/,/.}"
part sessions sessions

recordings() {
  local file
  for file in "$WORKER_STATE_DIR"/logs/sessions/*.log; do
    if [ -e "$file" ]; then basename "$file" .log; fi
  done
}

part recordings recordings
