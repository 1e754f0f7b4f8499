# shellcheck shell=bash
# Measures what Docker and agents need in the worker. Argument: `run` also starts a container in its own network, from an image
# made here (without a registry), and removes both again.
# Parts: those of a full probe; docker-networks; facts (KEY and value, separated by a tab); clock, once more.
run=$1
probe full

fact() {
  facts+=$1$'\t'${2//[$'\n\t']/ }$'\n'
}

# default_interface: the interface of the default route.
default_interface() {
  awk '$2 == "00000000" && $8 == "00000000" { print $1; exit }' /proc/net/route 2>/dev/null
}

mtu_of() {
  cat "/sys/class/net/$1/mtu" 2>/dev/null
}

# The cgroup of a process: in v1 that of the memory controller, whose limits matter.
cgroup_path() {
  awk -F: '$2 == "memory" { v1 = $3 } $1 == "0" { v2 = $3 } END { print (v1 != "" ? v1 : v2) }'
}

look_at_cgroups() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    fact cgroup.version 2
    fact cgroup.handed-down "$(cat /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null)"
  else
    fact cgroup.version 1
  fi
  fact cgroup.own "$(cgroup_path </proc/self/cgroup)"
}

# measure_disk NAME FOLDER: used and free bytes, free inodes in percent.
measure_disk() {
  local sizes inodes
  [ -d "$2" ] || return 0
  sizes=$(df --portability --block-size=1 "$2" 2>/dev/null | awk 'NR == 2 { print $3, $4 }')
  inodes=$(df --portability --inodes "$2" 2>/dev/null | awk 'NR == 2 && $2 > 0 { printf "%d", 100 * $4 / $2 }')
  fact "disk.$1" "$2 $sizes ${inodes:--}"
}

look_at_limits() {
  local name
  for name in max_user_instances max_user_watches; do
    fact "inotify.$name" "$(cat "/proc/sys/fs/inotify/$name" 2>/dev/null)"
  done
  if [ -w /proc/sys/fs/inotify/max_user_instances ]; then fact inotify.writable yes; fi
}

look_at_programs() {
  local program missing=''
  for program in factory claude gh git tmux jq sqlite3; do
    command -v "$program" >/dev/null || missing+=" $program"
  done
  fact programs.missing "${missing# }"
}

# Whether a program in this folder can run, which it cannot on a volume that is mounted noexec. A full disk is reported as such.
runs_programs() {
  local file rc=0
  file=$(mktemp "$1/.factory-worker-XXXXXX" 2>/dev/null) || return 0
  printf '#!/bin/sh\n' >"$file" && chmod u+x "$file" && "$file" 2>/dev/null || rc=$?
  rm -f "$file"
  [ "$rc" -ne 126 ]
}

look_at_folders() {
  local folder without=''
  for folder in "$WORKER_REPOS_DIR" "$WORKER_STATE_DIR" "${TMPDIR:-/tmp}"; do
    runs_programs "$folder" || without+=" $folder"
  done
  fact programs.noexec "${without# }"
}

# What a build for PostgreSQL types into the panes of a project, in clear.
look_at_projects() {
  local clone keys typed=''
  [[ $'\n'$(dialect 2>/dev/null) == *$'\npostgres=1\n'* ]] || return 0
  for clone in "$WORKER_REPOS_DIR"/*/; do
    keys=$(sed --quiet --regexp-extended 's/^  (env|database):.*/\1/p' "$clone$(config_of "$(basename "$clone")")" 2>/dev/null | paste --serial --delimiters ,)
    if [ -n "$keys" ]; then typed+="${typed:+, }$(basename "$clone") (${keys//,/, })"; fi
  done
  fact projects.typed "$typed"
}

look_at_docker() {
  local info
  fact docker.wanted yes
  # `docker info` with a format succeeds even when no daemon answers.
  if ! info=$(timeout 15 docker version --format '{{.Server.Version}}' 2>&1); then
    fact docker.error "${info:-no answer within 15 s}"
    return
  fi
  info+=" $(timeout 15 docker info --format '{{.Driver}} {{.CgroupDriver}} {{.CgroupVersion}}' 2>/dev/null)"
  fact docker.info "$info"
  fact docker.on "$(docker_below)"
  fact iptables.version "$(iptables --version 2>/dev/null)"
  if timeout 10 iptables --table nat --list-rules DOCKER >/dev/null 2>&1; then fact iptables.docker-rules yes; else fact iptables.docker-rules no; fi
  part docker-networks docker_networks
  fact mtu.pod "$(mtu_of "$(default_interface)")"
  fact mtu.docker0 "$(mtu_of docker0)"
  if [ "$run" = run ]; then run_container; fi
}

# An image of one program and its libraries, so that nothing has to be pulled.
make_image() {
  local cat libraries
  cat=$(command -v cat)
  mapfile -t libraries < <(ldd "$cat" | grep --only-matching '/[^ )]*')
  tar --create --dereference --directory=/ --file=- "${cat#/}" "${libraries[@]#/}" 2>/dev/null |
    timeout 30 docker import - "$1" >/dev/null
}

run_container() {
  local name=factory-worker-doctor-$$ said begun=${EPOCHREALTIME/[.,]/}
  if said=$(make_image "$name" 2>&1 && timeout 20 docker network create "$name" 2>&1 >/dev/null &&
    timeout 30 docker run --rm --name "$name" --network "$name" --cgroupns host "$name" "$(command -v cat)" /sys/class/net/eth0/mtu /proc/self/cgroup 2>&1); then
    fact run.milliseconds "$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))"
    fact mtu.compose "$(head --lines=1 <<<"$said")"
    fact run.cgroup "$(cgroup_path <<<"$said")"
  else
    fact run.error "${said:-it did not end in time}"
  fi
  { docker rm --force "$name"; docker network rm "$name"; docker rmi --force "$name"; } >/dev/null 2>&1
}

facts=''
look_at_cgroups
look_at_limits
look_at_programs
look_at_folders
look_at_projects
measure_disk state "$WORKER_STATE_DIR"
measure_disk temporary "${TMPDIR:-/tmp}"
if docker_wanted; then
  measure_disk docker /var/lib/docker
  look_at_docker
fi
emit_part facts 0 "$facts"
# Last, since the laptop compares it with the time of the answer.
emit_part clock 0 "${EPOCHREALTIME/,/.}"
