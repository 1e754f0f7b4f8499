# shellcheck shell=bash
# A stopping worker waits for its running stage; a second SIGTERM ends the wait (image/supervisor/supervisor.ts). tini is the
# pod's first process and forwards it. It does not matter whether this signal or that of Kubernetes comes first.
rc=0
said=$(kill -TERM 1 2>&1) || rc=$?
emit_part hurried "$rc" "$said"
