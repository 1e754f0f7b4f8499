#!/usr/bin/env bash
# claude's hook StopFailure: claude has ended a turn with an error (a refused token, a limit, an API that does not answer)
# and waits at its prompt. `factory` takes a quiet pane for a finished stage, so it is told that the session has exited; the
# supervisor reads the cause (image/supervisor/account/).
#
# Stdin: the hook's JSON. It never fails and prints nothing, since claude shows what a hook prints.
exec >/dev/null 2>&1
set -uo pipefail

readonly TEXT_CHARACTERS=500
# B recognizes a limit by these words, and retries such a stage without counting an attempt.
readonly LIMIT_OF_B="You've hit your limit|/rate-limit-options"

record() {
  # shellcheck disable=SC2016  # jq's own variables
  jq --compact-output --arg session "$session" --argjson issue "$issue" --arg stage "$stage" \
    --arg at "$(date --utc +%Y-%m-%dT%H:%M:%SZ)" --argjson length "$TEXT_CHARACTERS" '{
      schema: 1, $at, $session, $issue, $stage, error: (.error // "unknown" | tostring),
      text: ([.last_assistant_message, .error_details] | map(strings | select(. != "")) | first // ""
        | gsub("\\s+"; " ") | gsub("(?<kind>sk-ant-|gh[pousr]_|github_pat_)[A-Za-z0-9_-]+"; "\(.kind)[redacted]") | .[:$length])
    }' <<<"$payload" >>"$WORKER_STATE_DIR/claude-failures.jsonl"
}

# Distinguishes the dialects like scripts/lib/factory.ts.
is_dialect_b() {
  local help
  help=$(factory queue add --help) || return
  [[ $help == *' --config '* && ! ($help == *' --project '* && $help == *' --issue '*) ]]
}

# Whether B itself will see that this is a limit; claude shows it a moment after the hook.
b_sees_the_limit() {
  local _
  for _ in 1 2 3 4 5 6; do
    ! tmux capture-pane -p -t "$TMUX_PANE" | grep --quiet --extended-regexp "$LIMIT_OF_B" || return 0
    sleep 0.5
  done
  return 1
}

# SQLite refuses one of two concurrent writers, so this tries again.
report_exited() {
  local _
  for _ in 1 2 3 4 5; do
    ! factory event log --session "$session" --issue "$issue" --stage "$stage" --event exited || return 0
    sleep 0.5
  done
}

payload=$(cat)
[[ -n ${TMUX_PANE-} && -n ${WORKER_STATE_DIR-} ]] || exit 0
session=$(tmux display-message -p -t "$TMUX_PANE" '#S')
name=$session
# A round of fixes: 23-qa-1-fix-2.
[[ ! $name =~ ^(.+)-fix-[0-9]+$ ]] || name=${BASH_REMATCH[1]}
# Other sessions belong to people.
[[ $name =~ ^([0-9]+)-(.+)-[0-9]+$ ]] || exit 0
issue=${BASH_REMATCH[1]} stage=${BASH_REMATCH[2]}
record
error=$(jq --raw-output '.error // ""' <<<"$payload")
if [[ $error == rate_limit ]] && is_dialect_b && b_sees_the_limit; then exit 0; fi
report_exited
exit 0
