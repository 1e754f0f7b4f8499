#!/usr/bin/env bash
# Creates the worker's folders, and adds the lines that have to be in Debian's own files.
set -Eeuo pipefail

mkdir -p /etc/factory-worker/config /run/secrets/factory-worker /run/factory-worker /root/.factory \
  /var/lib/factory-worker/cache
# The entrypoint points this at the docker volume, if there is one.
ln -s /var/lib/factory-worker/cache /var/cache/factory-worker
mkdir -p /var/cache/factory-worker/tmp
chmod 1777 /var/cache/factory-worker/tmp
printf '\n# The state of the worker.\n. /etc/worker-motd.sh\n' >>/etc/bash.bashrc
