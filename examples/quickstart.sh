#!/usr/bin/env bash
# A first tour: starts a worker on this machine, dispatches an issue to it and shows its progress. Everything is in
# .quickstart/ of the checkout; every command is printed before it runs, ready to be typed. `down` stops the worker and
# removes it.
#
# RUNTIME=kubernetes does the same with a worker in a pod: CONTEXT and NAMESPACE say where (default: kubectl's current context,
# factory-quickstart), IMAGE=NAME:TAG is an image that contains the stand-ins (test/e2e/README.md). HELM, KUBECTL: programs.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

folder=.quickstart
workers=$folder/workers.yaml
worker=try
issue=1
runtime=${RUNTIME:-local}
helm=${HELM:-helm} kubectl=${KUBECTL:-kubectl}
own_namespace=factory-quickstart
namespace=${NAMESPACE:-$own_namespace}

scripts() {
  npx tsx "scripts/$1.ts" --workers "$workers" "${@:2}"
}

# show NAME ARG…: prints a command, ready to be pasted, and runs it.
show() {
  printf '\n$ npx tsx scripts/%s.ts' "$1"
  printf ' %q' --workers "$workers" "${@:2}"
  printf '\n'
  scripts "$@"
}

down() {
  if [ ! -d "$folder" ]; then
    echo 'there is no quickstart to remove'
    return
  fi
  if [ -e "$folder/context" ]; then
    kubernetes_down
  elif [ -e "$workers" ]; then
    scripts local down "$worker" 2>/dev/null || scripts local down "$worker"
  fi
  rm -rf "$folder"
  echo "$folder is removed"
}

# An interrupted tour leaves nothing running; its folder stays for the next one.
interrupted() {
  trap - INT TERM
  echo >&2
  if [ -e "$workers" ] && [ "$runtime" = local ]; then scripts local down "$worker" >&2 || true; fi
  echo "interrupted; make quickstart continues, make quickstart-down cleans up" >&2
  exit 130
}

# The programs of the worker: the stand-ins, or the real factory if FACTORY_BIN names it.
make_bin() {
  mkdir -p "$folder/bin"
  ln -sfn "$PWD/examples/bin/claude" "$folder/bin/claude"
  ln -sfn "$PWD/examples/bin/gh" "$folder/bin/gh"
  ln -sfn "$(realpath "${FACTORY_BIN:-examples/bin/factory}")" "$folder/bin/factory"
}

# The worker's stand-ins work for a few seconds; at the last stage the agent stays, so that there is something to see.
make_settings() {
  mkdir -p "$folder/worker/home"
  printf '%s\n' STANDIN_CLAUDE_STAY=review STANDIN_CLAUDE_STAY_SECONDS=3600 >"$folder/worker/home/.factory-standin"
}

# wait_for SECONDS PATTERN: waits until the status of the worker matches.
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

# as_typed COMMAND…: the same for other programs.
as_typed() {
  printf '\n$'
  printf ' %q' "$@"
  printf '\n'
  "$@"
}

start_local() {
  if [ -n "${FACTORY_BIN:-}" ]; then
    echo "Real: tmux, git, SQLite, the worker's supervisor, and factory ($FACTORY_BIN). Stand-ins: claude and gh."
  else
    echo "Real: tmux, git, SQLite, the worker's supervisor. Stand-ins: factory, claude and gh (examples/bin)."
  fi
  make_bin
  make_settings
  examples/demo/make-origin.sh "$folder/origin.git" >/dev/null

  show local up "$worker" --home "$folder/worker" --bin "$folder/bin" --project "demo=./$folder/origin.git"
}

start_kubernetes() {
  local context image=${IMAGE:-}
  context=${CONTEXT:-$("$kubectl" config current-context)}
  if [ -z "$image" ]; then
    echo 'error: IMAGE=NAME:TAG is not set: which worker image, with the stand-ins, can the cluster pull?' >&2
    echo '  on the test cluster (make cluster e2e-image): IMAGE=localhost/factory-worker-e2e:1' >&2
    exit 2
  fi
  echo "Real: Kubernetes ($context), the chart, tmux, git, SQLite, the worker's supervisor. Stand-ins: factory, claude and gh."
  mkdir -p "$folder"
  echo "$context $namespace" >"$folder/context"
  # Without Docker nothing is privileged, so any namespace accepts the pod.
  as_typed "$helm" upgrade --install "$worker" charts/factory-worker --kube-context "$context" --namespace "$namespace" \
    --create-namespace --values examples/values/quickstart.yaml \
    --set-string "image.repository=${image%:*},image.tag=${image##*:}" --wait --timeout 5m
  show workers add "$worker" --context "$context" --namespace "$namespace" --pod "factory-$worker"
  show exec "$worker" -- bash -c 'echo STANDIN_CLAUDE_STAY=review >~/.factory-standin'
}

kubernetes_down() {
  local context there
  read -r context there <"$folder/context"
  "$helm" uninstall "$worker" --kube-context "$context" --namespace "$there" --ignore-not-found --wait
  # Only our own namespace is deleted.
  if [ "$there" = "$own_namespace" ]; then
    "$kubectl" --context "$context" delete namespace "$there" --ignore-not-found
  fi
}

walk() {
  trap interrupted INT TERM
  "start_$runtime"
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

case ${1:-walk}:$runtime in
  down:*) down ;;
  walk:local | walk:kubernetes) walk ;;
  walk:*)
    echo "error: unknown RUNTIME=$runtime; the quickstart runs with RUNTIME=local or RUNTIME=kubernetes" >&2
    exit 2
    ;;
  *)
    echo 'usage: examples/quickstart.sh [down]' >&2
    exit 2
    ;;
esac
