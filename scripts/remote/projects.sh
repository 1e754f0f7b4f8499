# shellcheck shell=bash
# Lists the projects of a worker. Parts: configured and requested (a line NAME, REPO for each entry of the release's list and
# of the list made from here), and those of a brief probe.
entries() {
  [ -s "$1" ] || return 0
  jq --raw-output '.[] | [.name // (.repo | sub("\\.git$"; "") | split("/") | last), .repo] | @tsv' "$1"
}

part configured entries "$WORKER_CONFIG_DIR/projects.json"
part requested entries "$WORKER_STATE_DIR/projects.json"
probe brief
