# shellcheck shell=bash
# Drains the worker: writes the drain file, unless another one exists. Arguments: DRAIN (JSON without `since`), BY, HOST,
# RELEASE (or empty), FORCE (yes|no). Parts: drained (`new`, `already` or `held`), and those of a brief probe.
drain=$1 by=$2 host=$3 release=$4 force=$5
take_drain_lock || exit 0
word=new
if [ -e "$WORKER_STATE_DIR/drain" ]; then
  if drain_is_ours "$by" "$host" "$release"; then word=already; elif [ "$force" = no ]; then word=held; fi
fi
# Renamed into place: the loop takes an incomplete file for a drain by an unknown person.
if [ "$word" = new ] && ! { jq --compact-output --arg since "$(date -u +%Y-%m-%dT%H:%M:%SZ)" '.since = $since' <<<"$drain" \
  >"$WORKER_STATE_DIR/.drain.new" && mv "$WORKER_STATE_DIR/.drain.new" "$WORKER_STATE_DIR/drain"; }; then
  emit_part drained 1 'the drain file cannot be written: is the volume full?'
else
  emit_part drained 0 "$word"
fi
exec 9>&-
probe brief
