# shellcheck shell=bash
# What `sessions` shows. Parts: those of a brief probe, and human.N (worker.sh).
probe brief
show_humans
