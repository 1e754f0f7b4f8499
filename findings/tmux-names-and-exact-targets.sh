#!/usr/bin/env bash
# tmux 3.3a: a session name with a dot or a colon is changed without a word, and the exact form of a target means a session for
# some commands and nothing for others.
#
# `new-session -s release-1.2` succeeds and makes release-1_2, so that `has-session -t =release-1.2` finds nothing. `=NAME` is
# the exact name for has-session and kill-session; capture-pane and send-keys want `=NAME:` and call `=NAME` a pane that cannot
# be found. display-message is the exception the other way: for a target that does not exist it prints an empty line and exits 0.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt downloads as a user of its own
cd "$work"
apt-get --quiet=2 download tmux=3.3a-3 libevent-core-2.1-7=2.1.12-stable-8 libutempter0=1.2.1-3
for package in ./*.deb; do dpkg-deb --extract "$package" root; done
trap 'tmux kill-server 2>/dev/null; rm -rf "$work"' EXIT
export TMUX_TMPDIR=$work TERM=xterm-256color LC_ALL=C.UTF-8
unset TMUX
tmux() {
  LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu) "$work/root/usr/bin/tmux" -f /dev/null "$@"
}
# code COMMAND…: its exit code, and the first line of what it printed or complained of.
code() {
  local rc=0 said
  said=$(tmux "$@" 2>&1) || rc=$?
  printf '%s: %d %s\n' "$*" "$rc" "$(head -n 1 <<<"$said")"
}

tmux -V
{
  code new-session -d -s release-1.2 cat
  code list-sessions -F '#{session_name}'
  code has-session -t =release-1.2
  code has-session -t =release-1_2
  code capture-pane -p -t =release-1_2
  code capture-pane -p -t =release-1_2:
  code display-message -p -t =missing: '[#{session_name}]'
} | tee seen.txt

diff --ignore-trailing-space seen.txt - <<'SEEN'
new-session -d -s release-1.2 cat: 0
list-sessions -F #{session_name}: 0 release-1_2
has-session -t =release-1.2: 1 can't find pane: 2
has-session -t =release-1_2: 0
capture-pane -p -t =release-1_2: 1 can't find pane: =release-1_2
capture-pane -p -t =release-1_2:: 0
display-message -p -t =missing: [#{session_name}]: 0 []
SEEN
