#!/usr/bin/env bash
# The few steps of a pod's start that have to be in shell, then the supervisor. tini is PID 1 and our parent.
set -Eeuo pipefail

readonly CGROUP=/sys/fs/cgroup
readonly CAP_SYS_ADMIN=21
readonly MOVE_TRIES=100

log() {
  printf '%(%Y-%m-%dT%H:%M:%SZ)T entrypoint: %s\n' -1 "$1"
}

# Whether we may mount, which needs a privileged pod.
privileged() {
  local name value capabilities=0
  while read -r name value; do
    if [[ $name == CapEff: ]]; then capabilities=$value; fi
  done </proc/self/status
  (((16#$capabilities >> CAP_SYS_ADMIN) & 1))
}

# A privileged pod has the node's cgroup namespace: its /sys/fs/cgroup is the node's root, and Docker would put its
# containers outside the pod and its limits. In our own namespace, created inside the pod's cgroup, that cgroup is the root.
# The process id stays the same: `unshare` only execs.
own_cgroup_namespace() {
  local own
  own=$(</proc/self/cgroup)
  if [[ $own != 0::/* || $own == 0::/ || -n ${WORKER_CGROUP_NAMESPACE-} ]]; then return 0; fi
  log "the cgroup namespace is the node's: taking one of our own"
  WORKER_CGROUP_NAMESPACE=own exec unshare --cgroup "$0"
}

# cgroup v2 allows processes only in leaves: ours move into one, so that Docker can create cgroups next to it. Several
# tries, since a probe may start in the root at any moment; not for ever, since the kernel may refuse.
nest_cgroup() {
  local try pid
  if [[ -n ${WORKER_CGROUP_NAMESPACE-} ]]; then
    unset WORKER_CGROUP_NAMESPACE
    umount "$CGROUP"
    mount -t cgroup2 -o rw,nosuid,nodev,noexec,relatime cgroup2 "$CGROUP"
  fi
  mkdir -p "$CGROUP/init"
  for ((try = 0; try < MOVE_TRIES; try++)); do
    while read -r pid; do
      echo "$pid" >"$CGROUP/init/cgroup.procs"
    done <"$CGROUP/cgroup.procs" 2>/dev/null || true
    if sed 's/ / +/g; s/^/+/' "$CGROUP/cgroup.controllers" >"$CGROUP/cgroup.subtree_control"; then break; fi
  done 2>/dev/null
  if [[ -z $(<"$CGROUP/cgroup.subtree_control") ]]; then log "the controllers of $CGROUP could not be delegated: containers have no limits"; fi
  # With 1, as the kubelet sets it, one container that runs out of memory would kill tmux and everything else with it.
  { echo 0 >"$CGROUP/memory.oom.group"; } 2>/dev/null || true
}

# The volume for volatile files outlives a restart of the container: until the supervisor writes its own records, those of
# the previous one would tell probes and commands that the worker has booted.
remove_stale_records() {
  rm -f "$WORKER_RUN_DIR"/{boot.json,heartbeat.json,alive,database-url}
}

# Left behind by a killed container; the process ids in them now belong to other processes.
remove_stale_files() {
  find /run -xdev \( -iname 'docker*.pid' -o -iname 'containerd*.pid' -o -name 'docker.sock' -o -name 'containerd*.sock*' \) -delete
}

# Caches belong on the docker volume: the container's own layer counts as usage of the node's disk.
move_caches() {
  local target=/var/lib/docker/factory-worker-cache
  mountpoint --quiet /var/lib/docker || return 0
  [[ -d $target/tmp ]] || install --directory --mode=1777 "$target" "$target/tmp"
  [[ $(readlink /var/cache/factory-worker) == "$target" ]] || ln -sfn "$target" /var/cache/factory-worker
}

prepare_pod() {
  [[ -d $WORKER_RUN_DIR ]] || mkdir -p "$WORKER_RUN_DIR"
  remove_stale_records
  if privileged; then
    if [[ -e $CGROUP/cgroup.controllers ]]; then
      own_cgroup_namespace
      nest_cgroup
    fi
    mount --make-rshared /
    mountpoint --quiet /sys/kernel/security || mount -t securityfs none /sys/kernel/security 2>/dev/null || true
  fi
  remove_stale_files
  move_caches
}

if [[ ${WORKER_RUNTIME-} == pod && $PPID -eq 1 ]]; then prepare_pod; fi
export container=docker
exec node /usr/local/lib/factory-worker/supervisor.js
