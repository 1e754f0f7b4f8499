# shellcheck shell=bash
# What `watch` looks at, again and again. Parts: those of a brief probe, and pane.N (worker.sh).
probe brief
show_panes
