# shellcheck shell=bash
# What can be forwarded in the worker. Parts: listening (ports on which a process listens, from /proc/net/tcp), containers
# (NAME, a tab and its published ports; absent without Docker).

# ADDRESS:PORT each, in hexadecimal, with the state LISTEN (0A).
listening() {
  awk '$4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
  return 0
}

part listening listening
if command -v docker >/dev/null; then
  part containers timeout 10 docker ps --format '{{.Names}}	{{.Ports}}'
fi
