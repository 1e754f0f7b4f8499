#!/usr/bin/env bash
# docker.sh up: makes sure that a Docker with BuildKit and named build contexts answers here, and prints the lines
# `export PATH=…` and `export DOCKER_HOST=…` to use it. `docker.sh down` ends the one it started.
#
# A Docker that runs already is used as it is. On a Debian machine without one, as root, Debian trixie's packages are
# unpacked into .cache/ (they need only a newer libc than bookworm's 2.31): nothing of the machine's own apt changes.
set -Eeuo pipefail

readonly HERE=${BASH_SOURCE[0]%/*}
ROOT=$(cd -- "$HERE/../../.." && pwd)
# As mounts show it.
CACHE=$(realpath --canonicalize-missing "$ROOT/.cache/image/docker")
readonly ROOT CACHE
readonly UNPACKED=$CACHE/root
readonly RUN=/run/factory-worker-test-docker

die() {
  printf 'docker.sh: %s\n' "$1" >&2
  exit 1
}

# Unpacks trixie's Docker, found through this machine's own apt sources.
unpack() {
  [[ ! -x $UNPACKED/usr/sbin/dockerd ]] || return 0
  local work=$CACHE/apt package
  mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,sources}
  "$ROOT/image/build/trixie-sources.sh" "$work/sources"
  cat >"$work/apt.conf" <<CONF
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$work/sources";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "root";
CONF
  export APT_CONFIG=$work/apt.conf
  apt-get update --quiet >&2
  (cd "$work/debs" && apt-get download --quiet docker.io docker-cli docker-buildx containerd >&2)
  unset APT_CONFIG
  for package in "$work"/debs/*.deb; do dpkg-deb --extract "$package" "$UNPACKED.new"; done
  rm -rf "$work"
  mv "$UNPACKED.new" "$UNPACKED"
}

start() {
  local try
  mkdir -p "$RUN" "$CACHE/data"
  # As in a container's entrypoint: a pid file of a daemon that is gone says nothing.
  DOCKER_HOST=unix://$RUN/docker.sock docker version >/dev/null 2>&1 && return 0
  rm -f "$RUN/docker.pid"
  # It leaves both as it needs them.
  if [[ $(sysctl --values net.ipv4.ip_forward) == 0 ]]; then touch "$RUN/ip_forward-was-off"; fi
  if iptables --list-rules FORWARD | grep --quiet --line-regexp -e '-P FORWARD ACCEPT'; then touch "$RUN/forward-was-open"; fi
  jq --null-input --arg runtime "$(readlink -f "$HERE")/runc.sh" --arg data "$CACHE/data" --arg run "$RUN" '{
    "hosts": ["unix://\($run)/docker.sock"], "pidfile": "\($run)/docker.pid", "exec-root": "\($run)/exec",
    "data-root": $data, "storage-driver": "overlay2", "bip": "172.30.0.1/24",
    "default-address-pools": [{"base": "172.31.0.0/16", "size": 24}],
    "runtimes": {"restricted": {"path": $runtime}}, "default-runtime": "restricted",
    "builder": {"gc": {"enabled": true, "defaultKeepStorage": "20GB"}}}' >"$RUN/daemon.json"
  setsid --fork dockerd --config-file "$RUN/daemon.json" >>"$CACHE/dockerd.log" 2>&1 </dev/null
  for ((try = 0; try < 150; try++)); do
    DOCKER_HOST=unix://$RUN/docker.sock docker version >/dev/null 2>&1 && return 0
    sleep 0.2
  done
  tail -n 20 "$CACHE/dockerd.log" >&2
  die "dockerd does not answer after 30 s; its log is $CACHE/dockerd.log"
}

up() {
  if docker buildx version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
    return 0
  fi
  [[ $(id --user) == 0 ]] || die 'no Docker with buildx answers: start Docker, or run this as root on Debian'
  [[ -e /etc/debian_version ]] || die 'no Docker with buildx answers: start Docker (only on Debian this can be done for you)'
  "$ROOT/scripts/build/programs.sh" runc iptables jq
  unpack
  # docker-cli of trixie looks for its plugins below /usr; a configuration of our own says where they are.
  mkdir -p "$CACHE/config/cli-plugins"
  ln -sfn "$UNPACKED/usr/libexec/docker/cli-plugins/docker-buildx" "$CACHE/config/cli-plugins/docker-buildx"
  export PATH=$UNPACKED/usr/sbin:$UNPACKED/usr/bin:$PATH
  start
  # shellcheck disable=SC2016  # it is for the shell that evaluates it
  printf 'export PATH=%q:$PATH DOCKER_HOST=%q DOCKER_CONFIG=%q\n' \
    "$UNPACKED/usr/sbin:$UNPACKED/usr/bin" "unix://$RUN/docker.sock" "$CACHE/config"
}

down() {
  [[ -d $RUN ]] || return 0
  end
  clean
}

end() {
  local pid try
  pid=$(cat "$RUN/docker.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || return 0
  for ((try = 0; try < 150; try++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.2
  done
  die "dockerd (pid $pid) does not end"
}

# What dockerd leaves on the machine: mounts, bridges, rules, cgroups.
clean() {
  local target link tables root
  # Each grep finds nothing where nothing is left.
  set +o pipefail
  findmnt --noheadings --list --output TARGET | grep --fixed-strings -e "$CACHE/data" -e "$RUN" | sort --reverse |
    while read -r target; do umount "$target"; done
  ip -brief link | grep --only-matching --extended-regexp '^(docker0|br-[0-9a-f]{12})\b' |
    while read -r link; do ip link delete "$link"; done
  for tables in iptables ip6tables; do
    "$tables-save" | grep --invert-match --ignore-case --extended-regexp 'docker|br-[0-9a-f]{12}' | "$tables-restore" || true
  done
  if [[ -e $RUN/forward-was-open ]]; then iptables --policy FORWARD ACCEPT; fi
  if [[ -e $RUN/ip_forward-was-off ]]; then sysctl --quiet --write net.ipv4.ip_forward=0; fi
  for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
    if [[ -d $root/docker ]]; then find "$root/docker" -depth -type d -exec rmdir {} +; fi
  done
  rm -rf --one-file-system "$RUN"
}

case ${1-} in
  up) up ;;
  down) down ;;
  *) die 'usage: docker.sh up|down' ;;
esac
