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

# The capabilities of our own bounding set, as a JSON array.
own_capabilities() {
  local mask i separator=''
  mask=$((16#$(awk '/^CapBnd:/ { print $2 }' /proc/self/status)))
  printf '['
  for i in "${!NAMES[@]}"; do
    (((mask >> i) & 1)) || continue
    printf '%s"CAP_%s"' "$separator" "${NAMES[i]^^}"
    separator=,
  done
  printf ']'
}

# restrict FILE FILTER_PREFIX: keeps only our capabilities in the process that a bundle or an exec describes.
restrict() {
  local trimmed
  trimmed=$(jq --compact-output --argjson own "$(own_capabilities)" \
    "if $2.capabilities then $2.capabilities |= map_values(map(select(IN(\$own[])))) else . end" "$1")
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
