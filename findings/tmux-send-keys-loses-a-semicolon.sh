#!/usr/bin/env bash
# tmux 3.3a: `send-keys -l` types a text literally, except for a semicolon at its end.
#
# An argument that ends in `;` ends the tmux command, also where the shell has quoted it and `-l` asks for literal text: the
# text arrives without its last character, and tmux exits 0. `\;` at the end of the argument is one semicolon; a semicolon
# anywhere else is typed as it is.
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

tmux -V
tmux new-session -d -s demo 'stty -echo; touch ready; exec cat >typed.txt'
until [ -e ready ]; do sleep 0.1; done
for text in 'a;b' 'first;' 'second\;'; do
  tmux send-keys -t demo: -l "$text"
  tmux send-keys -t demo: Enter
done
for _ in {1..50}; do
  if [ "$(wc -l <typed.txt)" -ge 3 ]; then break; fi
  sleep 0.1
done
cat typed.txt

diff typed.txt - <<'SEEN'
a;b
first
second;
SEEN
