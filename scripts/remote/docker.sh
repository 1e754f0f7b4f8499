# shellcheck shell=bash
# What both `why` and `doctor` ask Docker.

# docker_wanted: whether Docker is enabled in this worker's settings.
docker_wanted() {
  [ "$(jq --raw-output '.docker.enabled // false' "$WORKER_CONFIG_DIR/settings.json" 2>/dev/null)" = true ]
}

# docker_below: the file system below Docker's layers.
docker_below() {
  stat --file-system --format %T /var/lib/docker 2>/dev/null
}

# The pod's own MTU and those of Docker's networks: with a wrong MTU packets are lost silently.
docker_networks() {
  local device
  device=$(awk '$2 == "00000000" && $8 == "00000000" { print $1; exit }' /proc/net/route)
  printf 'pod %s\n' "$(cat "/sys/class/net/$device/mtu")"
  timeout 4 docker network ls --quiet --filter driver=bridge |
    xargs --no-run-if-empty timeout 4 docker network inspect \
      --format '{{.Name}} {{index .Options "com.docker.network.driver.mtu"}}'
}
