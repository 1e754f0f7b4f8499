# shellcheck shell=bash
# Everything `list` and `status` show of a worker, in one answer. Argument: `brief` leaves out what only `status` shows.
probe "$1"
