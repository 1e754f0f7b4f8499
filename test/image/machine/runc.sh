#!/usr/bin/env bash
# runc for a machine that lacks a capability which `--privileged` asks for (CAP_SYS_RESOURCE on the machines this project
# is tested on): takes out of each bundle what this machine does not have. A real cluster needs none of this.
set -Eeuo pipefail

readonly NAMES=(
  chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
  net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin
  sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override
  mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore
)

# The capabilities that our own bounding set lacks, as the words of a bundle.
lacking() {
  local key value mask=0 i
  while read -r key value; do
    if [[ $key == CapBnd: ]]; then mask=$((16#$value)); fi
  done </proc/self/status
  for i in "${!NAMES[@]}"; do
    if ! (((mask >> i) & 1)); then printf '"CAP_%s"\n' "${NAMES[i]^^}"; fi
  done
}

# restrict FILE FILTER_PREFIX: takes what we lack from the process that a bundle or an exec describes. Mostly it does not
# name any of it, and jq, which takes longer than all the rest of this, is not asked: there are several a second in `make e2e`.
restrict() {
  local words trimmed
  words=$(lacking)
  if [[ -z $words ]] || ! grep --quiet --fixed-strings "$words" "$1"; then return; fi
  trimmed=$(jq --compact-output --slurpfile lacking /dev/stdin \
    "if $2.capabilities then $2.capabilities |= map_values(map(select(IN(\$lacking[]) | not))) else . end" "$1" <<<"$words")
  printf '%s\n' "$trimmed" >"$1"
}

arguments=("$@")
for ((i = 0; i < $#; i++)); do
  case ${arguments[i]} in
    --bundle | -b) bundle=${arguments[i + 1]} ;;
    --process | -p) process=${arguments[i + 1]} ;;
    create | run) command=create ;;
    exec) command="exec" ;;
  esac
done
case ${command-} in
  create) restrict "${bundle:-.}/config.json" .process ;;
  exec) [[ -z ${process-} ]] || restrict "$process" '' ;;
esac
exec "${RUNC:-/usr/sbin/runc}" "$@"
