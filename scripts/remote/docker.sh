# shellcheck shell=bash
# What `why` and `doctor` ask of Docker in the same words.

# docker_wanted: whether this worker's settings ask for Docker.
docker_wanted() {
  [ "$(jq --raw-output '.docker.enabled // false' "$WORKER_CONFIG_DIR/settings.json" 2>/dev/null)" = true ]
}

# docker_below: the file system on which Docker keeps its layers.
docker_below() {
  stat --file-system --format %T /var/lib/docker 2>/dev/null
}

# The pod's own MTU and those of Docker's networks: what is larger outside than inside loses packets without a word.
docker_networks() {
  local device
  device=$(awk '$2 == "00000000" && $8 == "00000000" { print $1; exit }' /proc/net/route)
  printf 'pod %s\n' "$(cat "/sys/class/net/$device/mtu")"
  timeout 4 docker network ls --quiet --filter driver=bridge |
    xargs --no-run-if-empty timeout 4 docker network inspect \
      --format '{{.Name}} {{index .Options "com.docker.network.driver.mtu"}}'
}
