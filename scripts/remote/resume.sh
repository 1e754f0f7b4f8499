# shellcheck shell=bash
# Lifts a drain: our own, or with force any. Arguments: BY, HOST, RELEASE (or empty), FORCE (yes|no).
# Parts: resumed (`lifted`, `none` or `held`), and those of a brief probe made before.
by=$1 host=$2 release=$3 force=$4
take_drain_lock || exit 0
probe brief 9>&-
word=none
if [ -e "$WORKER_STATE_DIR/drain" ]; then
  word=held
  if [ "$force" = yes ] || drain_is_ours "$by" "$host" "$release"; then
    rm --force "$WORKER_STATE_DIR/drain" && word=lifted
  fi
fi
emit_part resumed 0 "$word"
