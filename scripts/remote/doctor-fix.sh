# shellcheck shell=bash
# Raises the node's inotify limits to what many agents and containers need. Arguments: INSTANCES WATCHES. Part: raised.
instances=$1 watches=$2

raise() {
  echo "$instances" >/proc/sys/fs/inotify/max_user_instances && echo "$watches" >/proc/sys/fs/inotify/max_user_watches
}

part raised raise
