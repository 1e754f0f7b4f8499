#!/usr/bin/env bash
# The folders that the worker finds, and the lines in Debian's own files that cannot be files of ours.
set -Eeuo pipefail

mkdir -p /etc/factory-worker/config /run/secrets/factory-worker /run/factory-worker /root/.factory \
  /var/lib/factory-worker/cache
# The entrypoint points this at the docker volume, where there is one.
ln -s /var/lib/factory-worker/cache /var/cache/factory-worker
mkdir -p /var/cache/factory-worker/tmp
chmod 1777 /var/cache/factory-worker/tmp
printf '\n# The worker says how it is.\n. /etc/worker-motd.sh\n' >>/etc/bash.bashrc
