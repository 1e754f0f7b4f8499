# shellcheck shell=bash
# What in the worker can be forwarded. Parts: listening (ports on which something listens, as /proc/net/tcp has them),
# containers (NAME, a tab and what it publishes; absent without Docker).

# In hexadecimal, with the state LISTEN (0A); ADDRESS:PORT each.
listening() {
  awk '$4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
  return 0
}

part listening listening
if command -v docker >/dev/null; then
  part containers timeout 10 docker ps --format '{{.Names}}	{{.Ports}}'
fi
