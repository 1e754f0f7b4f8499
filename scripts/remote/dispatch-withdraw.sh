# shellcheck shell=bash
# After a lost connection: makes sure that the dispatch ID adds nothing any more, and tells what it has done. What is neither
# in its outcomes nor in the queue now never will be.
#
# Argument: ID. Parts: outcomes (those it came to, as in the answer of dispatch.sh), and those of a brief probe; or busy.
journal=$WORKER_STATE_DIR/locks/dispatches/$1
mkdir -p "${journal%/*}"
# Before the lock is asked for: who has it may be that very dispatch, with more issues to come.
if ! : >"$journal.withdrawn"; then
  emit_part busy 1 'the state volume cannot be written'
  exit 0
fi
exec 9>>"$WORKER_STATE_DIR/locks/queue"
if ! flock --wait 30 9; then
  emit_part busy 1 'the queue has been held for more than 30s'
  exit 0
fi
exec 9>&-
part_file outcomes "$journal"
probe brief
