# shellcheck shell=bash
# After a lost connection: makes sure that the dispatch ID adds nothing more, and reports what it has done. An issue that is
# neither in its outcomes nor in the queue now will not be added.
#
# Argument: ID. Parts: outcomes (as in the answer of dispatch.sh), and those of a brief probe; or busy.
journal=$WORKER_STATE_DIR/locks/dispatches/$1
mkdir -p "${journal%/*}"
# Before taking the lock: that very dispatch may hold it, with more issues to come.
if ! : >"$journal.withdrawn"; then
  emit_part busy 1 'the state volume cannot be written'
  exit 0
fi
take_queue_lock 30 || exit 0
exec 9>&-
part_file outcomes "$journal"
probe brief
