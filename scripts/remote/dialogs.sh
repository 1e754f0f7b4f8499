# shellcheck shell=bash
# What `answer` looks at. Parts: sessions, and pane.N (worker.sh) of every session: those that wait are the quiet ones.
part sessions sessions
show_panes 1000
