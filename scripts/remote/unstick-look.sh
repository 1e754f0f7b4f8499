# shellcheck shell=bash
# What `unstick` looks at. Argument: ISSUE. Parts: those of a full probe, human (factory's answer about the issue's session,
# whether it still exists or not), and in-the-way (leftovers.sh).
issue=$1
session=$(pipelines 2>/dev/null | jq --raw-output --argjson issue "$issue" 'first(.[]? | select(.issue == $issue)) | .session // ""')
probe full
if [ -n "$session" ]; then part human timeout 10 factory session status "$session" --detect-human; fi
part in-the-way in_the_way "$issue"
