#!/usr/bin/env bash
# `make cluster`: a Kubernetes node on this machine, without pulling an image. Typed again, it does only what is missing.
set -Eeuo pipefail
# shellcheck source=test/cluster/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=test/cluster/nodes.sh
source "$HERE/nodes.sh"

start_node() {
  mkdir -p "$NODE/run"
  # `step` asks how this ends, and then bash's -e holds nowhere in it.
  "$HERE/pki.sh" "$NODE/run/pki" || return 1
  ln -sfn run/pki "$NODE/pki"
  "$HERE/kubeconfig.sh" admin https://127.0.0.1:6443 >"$NODE/run/pki/admin.kubeconfig"
  "$HERE/kubeconfig.sh" kubelet https://127.0.0.1:6443 >"$NODE/run/pki/kubelet.kubeconfig"
  "$HERE/files.sh" || return 1
  ln -sfn "$KUBERNETES" "$BIN/kubernetes"
  ln -sfn "$PROGRAMS" "$BIN/programs"
  begin_node etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet registry || return 1
  open_network
}

# The way of the nodes to the network.
open_network() {
  if [[ $(sysctl --values net.ipv4.ip_forward) != 1 ]]; then
    touch "$NODE/ip_forward-was-off"
    sysctl --quiet --write net.ipv4.ip_forward=1
  fi
  iptables_each -I
}

# The registry as this machine sees it, so that `docker push localhost:PORT/…` needs no setting.
start_registry() {
  setsid "$DEBIAN/usr/bin/docker-registry" serve "$NODE/run/registry-outside.yml" >"$NODE/registry-outside.log" 2>&1 </dev/null &
  echo "$!" >"$NODE/registry.pid"
  for _ in {1..50}; do
    registry_runs && return 0
    kill -0 "$(cat "$NODE/registry.pid")" 2>/dev/null || break
    sleep 0.2
  done
  cat "$NODE/registry-outside.log"
  return 1
}

registry_runs() { curl --silent --fail --max-time 5 "http://127.0.0.1:$CLUSTER_REGISTRY_PORT/v2/" >/dev/null; }

api_ready() { api get --raw /readyz --request-timeout=5s; }
service_account() { api get serviceaccount default; }
runtime_version() { api get nodes --output jsonpath='{.items[0].status.nodeInfo.containerRuntimeVersion}'; }

add_storage_class() {
  api apply --filename - <<'END'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: host-path
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/host-path
reclaimPolicy: Delete
END
}

main() {
  local started=$SECONDS
  require_root cluster
  mkdir -p "$CACHE"
  # Two at once would build the same node twice. The lock is not handed down: the node would hold it for ever.
  exec 9>"$CACHE/lock"
  flock --nonblock 9 || die 'another make cluster or cluster-down is at work' "look: fuser -v $CACHE/lock"
  KUBECTL=$(kubectl_path) || exit 1
  "$HERE/parts.sh" 9>&-
  if node_pid >/dev/null; then
    [[ $(readlink "$BIN/kubernetes") == kubernetes-$KUBERNETES_VERSION-* ]] ||
      die "the node runs already, with $(readlink "$BIN/kubernetes") instead of $KUBERNETES_VERSION" 'make cluster-down'
    [[ $(readlink "$BIN/programs") == "$PROGRAMS" ]] ||
      die "the node runs already, with other programs than those of CLUSTER_NODE=${CLUSTER_NODE:-debian}" 'make cluster-down'
    say 'the node runs already'
  else
    # What a killed or rebooted machine left behind.
    "$HERE/down.sh" --quiet --locked 9>&-
    step 'start the node' start_node 9>&-
  fi
  "$HERE/kubeconfig.sh" admin "https://$NODE_IP:6443" >"$KUBECONFIG_FILE.new"
  chmod 600 "$KUBECONFIG_FILE.new"
  mv "$KUBECONFIG_FILE.new" "$KUBECONFIG_FILE"
  registry_runs || step 'start the registry' start_registry 9>&-
  step 'wait for the API server' wait_until 180 api_ready
  step 'import the pause image' wait_until 60 import_pause
  step 'wait for the node' wait_until 180 node_ready
  step 'add the storage class' add_storage_class
  step 'wait for the default service account' wait_until 60 service_account
  say "ready after $((SECONDS - started))s: Kubernetes $KUBERNETES_VERSION, $(runtime_version), registry localhost:$CLUSTER_REGISTRY_PORT"
  say "  export KUBECONFIG=$KUBECONFIG_FILE"
  say "  $KUBECTL --context $CONTEXT get nodes"
}

main
