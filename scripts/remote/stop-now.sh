# shellcheck shell=bash
# A stopping worker waits for its running stage; a second SIGTERM means: not any longer (image/supervisor/supervisor.ts). tini is
# the pod's first process and hands it on. Whether this one or Kubernetes' own comes first is all the same.
rc=0
said=$(kill -TERM 1 2>&1) || rc=$?
emit_part hurried "$rc" "$said"
