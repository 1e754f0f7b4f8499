#!/usr/bin/env bash
# The first walk: a worker on this machine, an issue dispatched to it, its progress on screen. Everything lies in
# .quickstart/ of the checkout; every command is shown as it can be typed there. `down` stops the worker and removes it.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

folder=.quickstart
workers=$folder/workers.yaml
worker=try
issue=1

scripts() {
  npx tsx "scripts/$1.ts" "${@:2}" --workers "$workers"
}

# show NAME ARG…: prints a command as it can be pasted, and runs it.
show() {
  printf '\n$ npx tsx scripts/%s.ts' "$1"
  printf ' %q' "${@:2}" --workers "$workers"
  printf '\n'
  scripts "$@"
}

down() {
  if [ ! -d "$folder" ]; then
    echo 'there is no quickstart to remove'
    return
  fi
  if [ -e "$workers" ]; then scripts local down "$worker" 2>/dev/null || scripts local down "$worker"; fi
  rm -rf "$folder"
  echo "$folder is removed"
}

# An interrupted walk leaves nothing running; its folder stays for the next one.
interrupted() {
  trap - INT TERM
  echo >&2
  if [ -e "$workers" ]; then scripts local down "$worker" >&2 || true; fi
  echo "interrupted; make quickstart goes on, make quickstart-down cleans up" >&2
  exit 130
}

# The programs of the worker: the stand-ins, with the real factory in the place of its own where FACTORY_BIN names it.
make_bin() {
  mkdir -p "$folder/bin"
  ln -sfn "$PWD/examples/bin/claude" "$folder/bin/claude"
  ln -sfn "$PWD/examples/bin/gh" "$folder/bin/gh"
  ln -sfn "$(realpath "${FACTORY_BIN:-examples/bin/factory}")" "$folder/bin/factory"
}

# The stand-ins of the worker work for a few seconds; at the last stage the agent stays, so that there is something to see.
make_settings() {
  mkdir -p "$folder/worker/home"
  printf '%s\n' STANDIN_CLAUDE_STAY=review STANDIN_CLAUDE_STAY_SECONDS=3600 >"$folder/worker/home/.factory-standin"
}

# wait_for SECONDS PATTERN: until the status of the worker shows it.
wait_for() {
  local seconds=$1 pattern=$2
  until scripts status "$worker" -o json 2>/dev/null | grep --quiet "$pattern"; do
    seconds=$((seconds - 1))
    if [ "$seconds" -le 0 ]; then
      echo "the worker did not come as far as expected; look: npx tsx scripts/status.ts $worker --workers $workers" >&2
      return 1
    fi
    sleep 1
  done
}

walk() {
  if [ -n "${FACTORY_BIN:-}" ]; then
    echo "Real: tmux, git, SQLite, the worker's supervisor, and factory ($FACTORY_BIN). Stand-ins: claude and gh."
  else
    echo "Real: tmux, git, SQLite, the worker's supervisor. Stand-ins: factory, claude and gh (examples/bin)."
  fi
  trap interrupted INT TERM
  make_bin
  make_settings
  examples/demo/make-origin.sh "$folder/origin.git" >/dev/null

  show local up "$worker" --home "$folder/worker" --bin "$folder/bin" --project "demo=./$folder/origin.git"
  show list
  show dispatch "$worker" --project demo --issue "$issue"
  show list
  echo
  echo 'The orchestrator takes the issue through the stages implement, qa and review; a few seconds each.'
  wait_for 60 '"stage": "review"'
  show status "$worker"

  cat <<TEXT

The agent at stage review stays for an hour, so that there is something to look at:
  npx tsx scripts/peek.ts $worker --session review --workers $workers
  npx tsx scripts/attach.ts $worker --workers $workers
  npx tsx scripts/list.ts --watch --workers $workers
Stop it and remove everything it made:
  make quickstart-down
TEXT
}

case ${1:-walk}:${RUNTIME:-local} in
  down:*) down ;;
  walk:local) walk ;;
  walk:*)
    echo "error: RUNTIME=$RUNTIME is not known; the quickstart runs with RUNTIME=local" >&2
    exit 2
    ;;
  *)
    echo 'usage: examples/quickstart.sh [down]' >&2
    exit 2
    ;;
esac
