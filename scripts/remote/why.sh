# shellcheck shell=bash
# What `why` looks at: a full probe, and besides it what the panes show, who typed into them, Docker, memory and disks.
#
# Parts: those of a full probe; pane.N (session, program in it, `1` when it has ended; then its last lines); human.N
# (session; then what factory says of it); lone-shells (sessions), failures (lines of the loop's log), in-the-way (leftovers.sh); docker, docker-networks, memory, disks, oom: in a pod only.
probe full

docker_info() {
  timeout 4 docker info --format 'driver={{.Driver}}
version={{.ServerVersion}}
root={{.DockerRootDir}}' || return
  printf 'below=%s\n' "$(docker_below)"
}

disks() {
  df --portability --block-size=1 /var/lib/docker "${TMPDIR:-/tmp}" | tail -n +2
}

# Only what the kernel says of this pod: the log is the node's. Its cgroup is called after the pod's uid.
oom_lines() {
  local uid
  uid=$(jq --raw-output '.podUid // empty' "$WORKER_RUN_DIR/boot.json")
  [ -n "$uid" ] || return 0
  timeout 5 dmesg 2>/dev/null | grep --fixed-strings 'oom-kill:' |
    grep --extended-regexp "${uid}|${uid//-/_}" | tail -n 5
}

# The last thing that went wrong with each issue, in the loop's own words; the heartbeat has only the last check-in's.
failures() {
  tail -n 2000 "$WORKER_STATE_DIR/logs/orchestrator.log" 2>/dev/null |
    grep --extended-regexp '#[0-9]+ (escalate|fail|failed|rate_limited|skip)\>' |
    grep --invert-match --extended-regexp 'skip [^ ]* \((blocked, waiting|in_progress, another|session active)' | tail -n 20
  return 0
}

# Sessions in whose agent's pane only the shell is left.
lone_shells() {
  local session pid
  while IFS=$'\t' read -r session pid; do
    if bare_shell "$pid"; then echo "$session"; fi
  done < <(agent_panes '#{session_name}	#{pane_pid}' 2>/dev/null)
  return 0
}

in_the_way_of_rows() {
  local issues
  mapfile -t issues < <(queue 2>/dev/null | jq --raw-output '.[]? | select(.Status == "failed" or .Status == "active") | .Issue')
  if [ "${#issues[@]}" -gt 0 ]; then in_the_way "${issues[@]}"; fi
  return 0
}

show_panes
show_humans
part lone-shells lone_shells
part failures failures
part in-the-way in_the_way_of_rows
# A worker on somebody's machine has neither a Docker nor a cgroup of its own.
if [ "${WORKER_RUNTIME-}" = pod ]; then
  # A daemon that hangs would take the time that the rest needs.
  if ! docker_wanted; then
    :
  elif timeout 4 docker version >/dev/null 2>&1; then
    part docker docker_info
    part docker-networks docker_networks
  else
    emit_part docker 1 ''
    emit_part docker.error 1 "$(timeout 4 docker version 2>&1 >/dev/null || echo "it gave no answer within 4s")"
  fi
  part memory memory
  part disks disks
  part oom oom_lines
fi
