#!/usr/bin/env bash
# second-node.sh up|down: a second node beside the first, with the same programs, in namespaces and cgroups of its own, for what
# takes two: a pod that may go elsewhere, a volume that cannot. It has the taint factory-worker-test/second, so that only who
# tolerates that gets there, and the images pause and localhost/factory-worker-e2e:1; all others it pulls as the first does.
# With SECOND_NODE=yes the other scripts here (service.sh, load-image.sh …) are about this node.
set -Eeuo pipefail
export SECOND_NODE=yes
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=test/cluster/nodes.sh
source "$HERE/nodes.sh"
readonly FIRST=$CACHE/node

first_runs() { NODE=$FIRST node_pid >/dev/null; }

# As files.sh has made them for the node that runs, whatever CLUSTER_NODE says here.
copy_files() {
  local run=$NODE/run
  mkdir -p "$run/pki"
  cp --recursive "$FIRST"/run/{cni,registries,containerd.toml,kubelet.yaml,pod-resolv.conf,registry.yml,runc} "$run"
  sed --in-place "s|\"subnet\": \"[^\"]*\"|\"subnet\": \"$POD_CIDR\"|" "$run/cni/10-pods.conflist"
  sed --in-place "s|^cgroupRoot: .*|cgroupRoot: /$CGROUP|" "$run/kubelet.yaml"
  echo 'registerWithTaints: [{key: factory-worker-test/second, effect: NoSchedule}]' >>"$run/kubelet.yaml"
  # One folder for all registries.
  sed --in-place "s|/var/lib/registry|$INSIDE/node/var/lib/registry|" "$run/registry.yml"
  # A node from before this script has no certificate for it.
  "$HERE/pki.sh" "$FIRST/run/pki" || return 1
  ln -sfn "$FIRST/run/pki" "$NODE/pki"
  cp "$FIRST/run/pki/ca.crt" "$run/pki"
  "$HERE/kubeconfig.sh" kubelet-2 "https://$API_IP:6443" >"$run/pki/kubelet.kubeconfig"
}

start_node() {
  copy_files || return 1
  begin_node containerd kubelet registry
}

up() {
  first_runs || die 'there is no test cluster' 'make cluster'
  if node_pid >/dev/null; then
    say 'the second node runs already'
    return 0
  fi
  # What a killed run left behind.
  down
  step 'start the second node' start_node
  step 'import the pause image' wait_until 60 import_pause
  [[ ! -s $CACHE/worker.tar ]] || step 'give it the test image' "$HERE/load-image.sh" "$CACHE/worker.tar"
  step 'wait for the second node' wait_until 120 node_ready
}

down() {
  [[ -d $NODE ]] || return 0
  stop_node
  ip link delete "$LINK" 2>/dev/null || true
  remove_cgroups
  if first_runs; then api delete node "$NODE_NAME" --ignore-not-found --request-timeout=10s >/dev/null || true; fi
  rm -rf --one-file-system "$NODE"
}

main() {
  require_root cluster
  KUBECTL=$(kubectl_path)
  case ${1-} in
    up) up ;;
    down) down ;;
    *) die "unknown action ${1:-(none)}" 'second-node.sh up|down' ;;
  esac
}

main "$@"
