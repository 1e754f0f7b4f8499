#!/bin/bash
# The node: a machine with cgroup v2 that starts the worker as a kubelet and containerd start a privileged container (the
# host's cgroup namespace, a pod's cgroup with a memory limit and memory.oom.group=1), asks it questions and prints the
# answers, one JSON object per line behind a marker, on the serial console. Then it switches itself off.
# shellcheck disable=SC2016  # scripts for the shell inside the worker
set -uo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

# shellcheck source=test/image/v2/mounts.sh
source /node/mounts.sh
readonly POD=/kubepods/burstable/pod1/worker
readonly CGROUP=/sys/fs/cgroup
readonly LIMIT=$((1024 * 1024 * 1024))

finish() {
  echo 'V2 {"name":"end","value":"end"}'
  sync
  echo o >/proc/sysrq-trigger
  sleep 60
}
trap finish EXIT

# answer NAME VALUE
answer() {
  printf '\nV2 %s\n' "$(jq --null-input --compact-output --arg name "$1" --arg value "$2" '{name: $name, value: $value}')"
}

prepare() {
  prepare_machine
  mount -t tmpfs run /run
  ip link set lo up
  # The controllers, handed down level by level as a kubelet does.
  local path='' part
  for part in '' kubepods burstable pod1; do
    path=$path${part:+/$part}
    mkdir -p "$CGROUP$path"
    echo '+cpu +memory +pids +io' >"$CGROUP$path/cgroup.subtree_control"
  done
  mkdir -p /node/docker /node/state /node/run /node/config /node/secrets /node/lower /node/bundle
  mount --bind / /node/lower
  mount --make-private /node/lower
  echo '[]' >/node/config/projects.json
  jq --null-input '{schema: 1, orchestrator: {enabled: true, intervalSeconds: 5},
    docker: {enabled: true, memoryReserveBytes: 268435456, storage: {kind: "ephemeral", sizeBytes: null}}}' >/node/config/settings.json
}

# A bundle as containerd's CRI makes it for `privileged: true`.
make_bundle() {
  mkdir -p /tmp/over /node/bundle/rootfs
  mount -t tmpfs over /tmp/over
  mkdir -p /tmp/over/up /tmp/over/work
  mount -t overlay overlay -o lowerdir=/node/lower,upperdir=/tmp/over/up,workdir=/tmp/over/work /node/bundle/rootfs
  (cd /node/bundle && rm -f config.json && runc spec)
  jq --argjson limit "$LIMIT" --arg cgroup "$POD" --slurpfile image /node/image.json '
    .process.terminal = false | .process.args = $image[0].Entrypoint | .process.cwd = "/root"
    | .process.env = $image[0].Env + ["WORKER_NAME=v2", "WORKER_POD_UID=v2", "HOME=/root"]
    | .process.noNewPrivileges = false | .process.oomScoreAdj = 900 | .process.rlimits = []
    | .process.capabilities |= map_values($image[0].capabilities)
    | .root = {path: "rootfs", readonly: false} | .hostname = "factory-v2"
    | .linux.namespaces = [{type: "pid"}, {type: "ipc"}, {type: "uts"}, {type: "mount"}, {type: "network"}]
    | .linux.cgroupsPath = $cgroup | .linux.maskedPaths = [] | .linux.readonlyPaths = []
    | .linux.resources = {devices: [{allow: true, access: "rwm"}], memory: {limit: $limit}, unified: {"memory.oom.group": "1"}}
    | .mounts |= map(select(.destination != "/sys/fs/cgroup" and .destination != "/sys" and .destination != "/dev/mqueue"))
    | .mounts += [
        {destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "rw"]},
        {destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev", "relatime", "rw"]},
        {destination: "/run", type: "tmpfs", source: "tmpfs", options: ["mode=755"]},
        {destination: "/var/lib/docker", type: "bind", source: "/node/docker", options: ["rbind", "rw"]},
        {destination: "/root/.factory", type: "bind", source: "/node/state", options: ["rbind", "rw"]},
        {destination: "/etc/factory-worker/config", type: "bind", source: "/node/config", options: ["rbind", "ro"]}]
  ' config.json >config.new 2>/tmp/jq.err || { cat /tmp/jq.err; return 1; }
  mv config.new config.json
}

start() {
  (cd /node/bundle && make_bundle)
  (cd /node/bundle && setsid runc run --detach worker >/tmp/worker.log 2>&1 </dev/null)
  ip link set lo up
  local try
  for ((try = 0; try < 600; try++)); do
    [[ $(inside worker-health ready 2>/dev/null) != ok ]] || return 0
    sleep 1
  done
  return 1
}

inside() {
  runc exec --cwd /root worker "$@"
}

shell() {
  runc exec --cwd /root worker bash -c "$1"
}

# What lies in the node's root cgroup.
entries() {
  (cd "$CGROUP" && printf '%s ' *)
}

vital() {
  shell 'echo 1; pgrep -o -x dockerd; pgrep -o -x containerd; tmux display-message -p "#{pid}"; pgrep -o --full supervisor.js' | tr '\n' ' '
}

questions() {
  local round=$1 before root
  root=$(entries)
  if start; then
    answer "$round ready" yes
  else
    answer "$round ready" "$(shell 'cat "$WORKER_RUN_DIR/boot.json"; tail -n 20 /var/log/factory-worker/dockerd.log' 2>&1)"
  fi
  answer "$round log" "$(cat /tmp/worker.log)"
  answer "$round docker" "$(shell 'docker info --format "{{.Driver}} v{{.CgroupVersion}} {{.CgroupDriver}}"' 2>&1)"
  answer "$round containers limit" "$(cat "$CGROUP$POD/docker/memory.max" 2>&1)"
  answer "$round oom group" "$(cat "$CGROUP$POD/memory.oom.group")"
  answer "$round processes in the pod's root" "$(wc -l <"$CGROUP$POD/cgroup.procs")"
  answer "$round exec works" "$(inside cat /proc/self/cgroup 2>&1)"
  # Busybox, for what runs inside.
  shell 'mkdir -p /tmp/box/bin && cp /node/busybox /tmp/box/bin/ && for p in sh sleep dd cat; do ln -sf busybox /tmp/box/bin/$p; done && tar -c -C /tmp/box . | docker import - box' >/dev/null 2>&1
  shell 'docker rm --force below hog' >/dev/null 2>&1
  answer "$round container starts" "$(shell 'docker run --detach --network none --name below box sleep 6000' 2>&1 | tail -n 1)"
  answer "$round container is below the pod" "$(find "$CGROUP$POD/docker" -name cgroup.procs -exec cat {} + | while read -r pid; do tr '\0' ' ' <"/proc/$pid/cmdline"; echo; done | grep --count 'sleep 6000')"
  answer "$round bridge" "$(shell 'docker run --rm box cat /sys/class/net/eth0/mtu' 2>&1 | tail -n 1)"
  before=$(vital)
  answer "$round hog's exit code" "$(shell "docker run --network none --name hog box dd if=/dev/zero of=/dev/null bs=2000M count=1" >/dev/null 2>&1; echo $?)"
  answer "$round hog was killed for memory" "$(shell 'docker inspect --format "{{.State.OOMKilled}}" hog' 2>&1)"
  answer "$round the rest is untouched" "$(if [[ $(vital) == "$before" ]]; then echo yes; else echo "no: $before / $(vital)"; fi)"
  answer "$round bystander lives" "$(shell 'docker inspect --format "{{.State.Running}}" below' 2>&1)"
  answer "$round counted against the pod" "$(awk '/^oom_kill / { print ($2 > 0 ? "yes" : "no") }' "$CGROUP$POD/memory.events")"
  answer "$round node's root before" "$root"
  answer "$round node's root after" "$(entries)"
}

prepare
questions first
answer 'kill' "$(runc kill worker KILL 2>&1; sleep 3; runc delete --force worker 2>&1; umount /node/bundle/rootfs /tmp/over 2>&1)"
questions second
answer 'stop' "$(runc kill worker TERM; for ((i = 0; i < 120; i++)); do [[ $(runc state worker 2>/dev/null | jq -r .status) == running ]] || break; sleep 1; done; runc state worker 2>&1 | jq -r .status)"
answer 'stop log' "$(grep ' stop ' /tmp/worker.log)"
