# shellcheck shell=bash
# What `why` looks at: a full probe, and what the panes show, who typed into them, Docker, memory and disks.
#
# Parts: those of a full probe; pane.N (session, program in it, `1` when it has ended; then its last lines); human.N
# (session; then factory's answer); lone-shells (sessions), failures (lines of the loop's log), in-the-way (leftovers.sh); and
# in a pod docker, docker-networks, memory, disks, oom.
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

# Only the kernel's messages about this pod: the log is the node's. The pod's cgroup is named after its uid.
oom_lines() {
  local uid
  uid=$(jq --raw-output '.podUid // empty' "$WORKER_RUN_DIR/boot.json")
  [ -n "$uid" ] || return 0
  timeout 5 dmesg 2>/dev/null | grep --fixed-strings 'oom-kill:' |
    grep --extended-regexp "${uid}|${uid//-/_}" | tail -n 5
}

# The last failure of each issue, from the loop's log; the heartbeat only has those of the last check-in.
failures() {
  tail -n 2000 "$WORKER_STATE_DIR/logs/orchestrator.log" 2>/dev/null |
    grep --extended-regexp '#[0-9]+ (escalate|fail|failed|rate_limited|skip)\>' |
    grep --invert-match --extended-regexp 'skip [^ ]* \((blocked, waiting|in_progress, another|session active)' | tail -n 20
  return 0
}

# Sessions whose agent's pane has nothing left but the shell.
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
# A local worker has neither its own Docker nor its own cgroup.
if [ "${WORKER_RUNTIME-}" = pod ]; then
  # A hanging daemon would use up the time for the rest.
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
