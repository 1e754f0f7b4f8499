# shellcheck shell=bash
# The worker's sessions and its clock, nothing else.
emit_part clock 0 "${EPOCHREALTIME/,/.}"
part sessions sessions
