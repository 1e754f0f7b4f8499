# shellcheck shell=bash
# Begins and ends a node: the first one (up.sh, down.sh) or the one beside it (second-node.sh), whichever lib.sh names.

api() { "$KUBECTL" --kubeconfig "$KUBECONFIG_FILE" "$@"; }

# The cgroup of the node's own programs, and that of its pods: where the kubelet finds it, it does not make it, and so does
# not ask for processors that only node.sh speaks of.
make_cgroups() {
  local root file
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    echo '+cpu +cpuset +memory +pids +io' >/sys/fs/cgroup/cgroup.subtree_control
    mkdir -p "/sys/fs/cgroup/$CGROUP/system"
    echo '+cpu +cpuset +memory +pids +io' >"/sys/fs/cgroup/$CGROUP/cgroup.subtree_control"
  fi
  while read -r root; do
    mkdir -p "$root/$CGROUP"/{system,kubepods}
    # On cgroup v1 a cpuset is born empty, and takes nobody in.
    if [[ -e $root/$CGROUP/cpuset.cpus && ! -e /sys/fs/cgroup/cgroup.controllers ]]; then
      for file in cpuset.cpus cpuset.mems; do
        tee "$root/$CGROUP/$file" <"$root/$file" |
          tee "$root/$CGROUP/system/$file" >"$root/$CGROUP/kubepods/$file"
      done
    fi
  done < <(cgroup_roots)
}

join_cgroup() {
  local root
  while read -r root; do echo "$1" >"$root/$CGROUP/system/cgroup.procs"; done < <(cgroup_roots)
}

# begin_node PROGRAM…: node.sh with these, in namespaces and cgroups of its own. Its files are there already.
begin_node() {
  local pid inner=
  # A session of its own: Ctrl-C on make must not end it.
  setsid unshare --fork --kill-child --pid --mount-proc --mount --propagation private --net --uts \
    "$HERE/node.sh" "$@" >"$NODE/node.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$NODE/pid"
  until inner=$(node_pid); do
    kill -0 "$pid" 2>/dev/null || { cat "$NODE/node.log"; return 1; }
    sleep 0.1
  done
  make_cgroups || return 1
  join_cgroup "$inner"
  join_cgroup "$pid"
  ip link add "$LINK" type veth peer name eth0 netns "$inner"
  ip address add "$HOST_IP/$LINK_CIDR" dev "$LINK"
  ip link set "$LINK" up
  ip route replace "$POD_CIDR" via "$NODE_IP"
}

# wait_until SECONDS COMMAND…
wait_until() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= until)); then
      echo "not within the time allowed: $*"
      tail --lines=15 "$NODE"/var/log/*.log
      return 1
    fi
    sleep 1
  done
}

# Through standard input: the node does not see every folder of this machine, such as a checkout below /tmp.
import_pause() { in_node ctr --namespace k8s.io images import - <"$CACHE/pause.tar"; }
node_ready() { api wait --for=condition=Ready "node/$NODE_NAME" --timeout=5s; }

# kill_recorded FILE PATTERN: ends the process whose number is in FILE, if its command line still has PATTERN in it.
kill_recorded() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep --quiet --fixed-strings -- "$2" || return 0
  kill -KILL "$pid"
  while [[ -e /proc/$pid ]]; do sleep 0.1; done
}

# The end of its first process ends all others of a PID namespace, however deep, and with the last of them go its mounts and
# its network. Those that began in our cgroup but live elsewhere there are none.
stop_node() {
  local root left
  kill_recorded "$NODE/pid" test/cluster/node.sh
  for _ in {1..300}; do
    left=$(while read -r root; do
      find "$root/$CGROUP" -name cgroup.procs -exec cat {} + 2>/dev/null || true
    done < <(cgroup_roots) | sort --unique | wc --lines)
    ((left == 0)) && return 0
    sleep 0.1
  done
  die "$left processes of the node do not end" "which: cat $(cgroup_roots | head -n 1)/$CGROUP/system/cgroup.procs"
}

remove_cgroups() {
  local root
  # Where v1 and v2 are both mounted, the kubelet makes folders in both, though nothing is limited by those of v2.
  while read -r root; do
    [[ -d $root/$CGROUP ]] || continue
    # The deepest first; a cgroup folder's files go with it.
    find "$root/$CGROUP" -depth -type d -exec rmdir {} +
  done < <(cgroup_roots && echo /sys/fs/cgroup/unified)
}
