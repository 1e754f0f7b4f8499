# shellcheck shell=bash
# Runs one stage of the loaded pipeline (P, STAGE, CONFIG) in the foreground.
# Source of the facts: the factory contract, sections 4, 6 and 7.
#
# The real program waits 15 s for claude and polls every 30 s; here both are
# settings of about a second, so that a stage lasts seconds.

OUTCOME= # success, fail or rate_limited
PROMPT= # what the agent of the stage is told

progress() {
  echo "  → $*" >&2
}

# stage_run: sets OUTCOME. On an error of the stage (not a failing check) sets
# ERROR and returns 1; the pipeline then becomes pending or blocked.
stage_run() {
  OUTCOME=success
  attempt_dir
  case ${STAGE[type]} in
    checks_only) run_checks ;;
    merge) run_merge ;;
    *) run_agent ;;
  esac
}

# run_checks: the commands of STAGE[checks], in the worktree; all of them run.
run_checks() {
  local name command rc
  for name in ${STAGE[checks]}; do
    if [[ ! -v CONFIG[pipeline.checks.$name.command] ]]; then
      ERROR="check \"$name\" not defined in config"
      return 1
    fi
    command=${CONFIG[pipeline.checks.$name.command]}
    mkdir -p -- "$ATTEMPT_DIR/checks/$name"
    rc=0
    # --foreground: the command stays in our process group, as it does in the real program.
    (cd -- "${P[worktree]}" && exec timeout --foreground 120 sh -c "$command") >"$ATTEMPT_DIR/checks/$name/output.log" 2>&1 || rc=$?
    quote "$name"
    db "INSERT INTO check_runs (issue, stage, attempt, fix_round, check_name, passed, auto_fixed, exit_code)
        VALUES (${P[issue]}, '${P[current_stage]}', ${P[current_attempt]}, 0, $QUOTED, $((rc == 0)), 0, $rc);" || true
    ((rc == 0)) || OUTCOME=fail
  done
}

# run_agent: starts a tmux session in which claude works on the prompt.
run_agent() {
  local session=${P[issue]}-${P[current_stage]}-${P[current_attempt]}
  if ! build_prompt; then
    ERROR="build prompt: $ERROR"
    return 1
  fi
  printf '%s\n' "$PROMPT" >"$ATTEMPT_DIR/prompt.md"
  session_start "$session" || return 1
  sleep "${STANDIN_FACTORY_BOOT_SECONDS:-1}"
  await_claude "$session"
  paste_prompt "$session" "$PROMPT" || return 1
  wait_idle "$session" || return 1
  if [[ $FAMILY == b ]] && tmux capture-pane -p -t "$session" 2>/dev/null |
    grep -qE "You've hit your limit|/rate-limit-options"; then
    session_end "$session" || true
    OUTCOME=rate_limited
    return
  fi
  if [[ -n $(git -C "${P[worktree]}" status --porcelain 2>/dev/null) ]]; then
    progress "session $session: uncommitted changes"
    session_type "$session" steer 'You have uncommitted changes. Commit them.' || return 1
    wait_idle "$session" || return 1
  fi
  run_checks || return 1
  if session_end "$session"; then
    printf '%s\n' "$PANE" >"$ATTEMPT_DIR/session.log"
  fi
}

# session_start NAME: the session of the loaded pipeline's stage. On failure ERROR, returns 1.
session_start() {
  session_open "$1" || return 1
  pipeline_set current_session "$1"
}

# session_open NAME: the tmux session, the hooks, and the lines typed into it.
# On failure ERROR, returns 1.
session_open() {
  local token=${CLAUDE_CODE_OAUTH_TOKEN:-} flags=${STAGE[flags]:---dangerously-skip-permissions} command=claude name
  # shellcheck disable=SC2016  # Go's literal words
  ERROR='run session: create session: tmux not available: exec: "tmux": executable file not found in $PATH'
  command -v tmux >/dev/null || return 1
  ERROR="run session: create session: session \"$1\" already exists"
  ! tmux_has "$1" || return 1
  progress "session $1: starting"
  ERROR='run session: create session: tmux new-session failed'
  tmux new-session -d -s "$1" || return 1
  die_if_told session
  write_hooks "$1"
  [[ $FAMILY != b ]] || command+=" --model ${STAGE[model]}"
  if [[ -z $token && -r $DATA_DIR/.env ]]; then
    token=$(sed -n 's/^CLAUDE_CODE_OAUTH_TOKEN=//p' "$DATA_DIR/.env" | tr -d "\"'")
  fi
  ERROR='run session: create session: tmux send-keys failed'
  type_line "$1" "cd '${P[worktree]//\'/\'\\\'\'}'" || return 1
  type_line "$1" 'unset CLAUDECODE' || return 1
  # What is typed is visible in the pane, as it is with the real program: the token, or in dialect c the project's `env:`.
  if [[ $DIALECT == c ]]; then
    token=
    for name in "${!CONFIG[@]}"; do
      [[ $name != pipeline.env.* ]] || type_line "$1" "export ${name#pipeline.env.}='${CONFIG[$name]}'" || return 1
    done
  fi
  [[ -z $token ]] || type_line "$1" "export CLAUDE_CODE_OAUTH_TOKEN='$token'" || return 1
  type_line "$1" "$command $flags" || return 1
  session_event "$1" "${P[issue]}" "${P[current_stage]}" started || fail "log started event: $DB_ERR"
}

# write_hooks NAME: claude's hooks in WORKTREE/.claude/settings.local.json, merged into what is there.
write_hooks() {
  local file=${P[worktree]}/.claude/settings.local.json pair hooks='' log=$STANDIN_SELF
  # Kinder than the real program: a path with blanks is quoted.
  [[ $log != *[!A-Za-z0-9_./+-]* ]] || log="'${log//\'/\'\\\'\'}'"
  log+=" event log --session $1 --issue ${P[issue]} --stage ${P[current_stage]} --event"
  for pair in UserPromptSubmit:active Stop:idle SessionEnd:exited; do
    quote "$log ${pair#*:}"
    hooks+="${hooks:+, }'${pair%:*}', json_array(json_object('matcher', '', 'hooks',
      json_array(json_object('type', 'command', 'command', $QUOTED))))"
  done
  mkdir -p -- "${file%/*}"
  [[ -s $file ]] || echo '{}' >"$file"
  quote "$file"
  json_tool "SELECT json_set(CAST(readfile($QUOTED) AS TEXT), '\$.hooks', json_object($hooks));" ||
    fail "write hooks config: $DB_ERR"
  write_file "$file" "$DB_OUT"
}

# await_claude NAME: a second may be short on a busy machine, so wait for claude's greeting, or the footer of the real one, for
# some seconds more. Without it the prompt is pasted anyway.
await_claude() {
  local end=$((SECONDS + ${STANDIN_FACTORY_GREETING_SECONDS:-3}))
  while ((SECONDS < end)); do
    tmux_has "$1" || return 0
    ! tmux capture-pane -p -t "$1" 2>/dev/null | grep -qE 'Welcome back|shift\+tab to cycle' || return 0
    sleep 0.2
  done
}

# The stages that need no template of the project.
readonly BUILT_IN=' implement.md review.md qa.md fix-checks.md merge.md agent-merge.md contract-check.md '

# build_prompt: sets PROMPT to the stage's template with its variables, from the worktree, or ~/.factory/templates, or built in
# (here a short text of our own). On failure ERROR, returns 1.
build_prompt() {
  local name=${STAGE[prompt_template]} folder path
  path=$(realpath --canonicalize-missing --no-symlinks -- "${P[worktree]}/$name")
  if [[ $path != "${P[worktree]}"/* ]]; then
    ERROR="load template \"$name\": template path \"$name\" escapes workdir"
    return 1
  fi
  for folder in "${P[worktree]}" "${HOME:-}/.factory/templates"; do
    [[ -f $folder/$name && -r $folder/$name ]] || continue
    render "$(<"$folder/$name")"
    return
  done
  if [[ $BUILT_IN != *" $name "* ]]; then
    ERROR="load template \"$name\": template \"$name\" not found (checked workdir, ~/.factory/templates/, and built-in templates)"
    return 1
  fi
  PROMPT="Issue #${P[issue]}: ${P[title]}
Intent: ${P[feature_intent]}
Stage: ${P[current_stage]} (attempt ${P[current_attempt]})
## Issue #${P[issue]}:
$(issue_text)"
}

# render TEMPLATE: sets PROMPT, with `{{NAME}}` replaced, and `{{#if NAME}}…{{/if}}` left out where there is no such variable or
# it is empty. On failure ERROR, returns 1.
render() {
  local text=$1 rest name body missing=''
  local -A vars=(
    [issue_number]=${P[issue]} [issue_title]=${P[title]} [issue_body]=$(issue_text) [goal]="#${P[issue]}: ${P[title]}"
    [worktree_path]=${P[worktree]} [branch]=${P[branch]} [stage_id]=${P[current_stage]} [attempt]=${P[current_attempt]}
    [feature_intent]=${P[feature_intent]}
  )
  local opening='\{\{#if[[:space:]]+([a-zA-Z_][a-zA-Z0-9_]*)[[:space:]]*\}\}'
  while [[ $text == *'{{/if}}'* ]]; do
    rest=${text#*'{{/if}}'}
    # The innermost one: the last that opens before.
    if [[ ! ${text%%'{{/if}}'*} =~ ^(.*)$opening(.*)$ ]]; then
      ERROR='dangling {{/if}} without matching {{#if}}'
      return 1
    fi
    name=${BASH_REMATCH[2]} body=${BASH_REMATCH[3]}
    [[ -n ${vars[$name]:-} ]] || body=
    text=${BASH_REMATCH[1]}$body$rest
  done
  if [[ $text =~ $opening ]]; then
    ERROR="unclosed conditional block: ${BASH_REMATCH[0]}"
    return 1
  fi
  PROMPT=
  while [[ $text == *'{{'* ]]; do
    PROMPT+=${text%%'{{'*}
    text=${text#*'{{'}
    if [[ ! $text =~ ^([a-zA-Z_][a-zA-Z0-9_]*)\}\} ]]; then
      PROMPT+='{{'
      continue
    fi
    name=${BASH_REMATCH[1]} text=${text#*'}}'}
    if [[ -v vars[$name] ]]; then PROMPT+=${vars[$name]}; else missing+="${missing:+, }$name"; fi
  done
  PROMPT+=$text
  [[ -n $missing ]] || return 0
  ERROR="missing template variables: $missing"
  return 1
}

# paste_prompt NAME TEXT. On failure ERROR, returns 1.
paste_prompt() {
  local buffer=factory-$1 i
  ERROR="run session: send prompt: session \"$1\" does not exist"
  tmux_has "$1" || return 1
  session_event "$1" "${P[issue]}" "${P[current_stage]}" factory_send || true
  tmux load-buffer -b "$buffer" - <<<"$2" || return 1
  tmux paste-buffer -d -b "$buffer" -t "$1" || return 1
  sleep "${STANDIN_FACTORY_ENTER_SECONDS:-0.3}"
  tmux send-keys -t "$1" Enter
  # Kinder than the real program, where a test asks for it: a real claude that is still starting takes the first Enter for a part
  # of the prompt.
  for ((i = 1; i < ${STANDIN_FACTORY_ENTERS:-1}; i++)); do
    sleep 4
    session_last "$1"
    [[ $S_STATE == factory_send ]] || break
    tmux send-keys -t "$1" Enter || break
  done
}

# issue_text: title and body from issue.json; silently nothing when there is no such file.
issue_text() {
  quote "$DATA_DIR/pipelines/${P[issue]}/issue.json"
  json_tool "SELECT json_extract(j, '\$.title') || char(10) || json_extract(j, '\$.body')
    FROM (SELECT CAST(readfile($QUOTED) AS TEXT) AS j) WHERE json_valid(j);" || return 0
  echo "$DB_OUT"
}

# wait_idle NAME: waits until the latest event is idle. An `exited` event and the
# stage's time-out are errors. A pane that stays the same for two polls counts as
# idle. Since polls are short here, that takes some seconds, or a slow claude on a
# busy machine would look idle; for one at work it takes as long as in reality.
wait_idle() {
  local pane last='' same=0 since=$SECONDS end stable
  seconds "${CONFIG[pipeline.defaults.timeout]:-}"
  end=$((SECONDS + SECONDS_OF))
  while true; do
    session_last "$1"
    case $S_STATE in
      idle) return 0 ;;
      exited)
        ERROR='run session: session exited unexpectedly'
        return 1
        ;;
      *)
        stable=${STANDIN_FACTORY_STABLE_SECONDS:-5}
        [[ $S_STATE != active ]] || stable=${STANDIN_FACTORY_SILENT_SECONDS:-90}
        pane=$(tmux capture-pane -p -t "$1" 2>/dev/null | grep -v '^ *$' | tail -n 15) || pane=
        if [[ -n $pane && $pane == "$last" ]]; then
          same=$((same + 1))
        else
          same=0
          since=$SECONDS
        fi
        last=$pane
        if ((same >= 2 && SECONDS - since >= stable)); then
          progress "session $1: idle (pane_stable)"
          return 0
        fi
        ;;
    esac
    if ((SECONDS >= end)); then
      ERROR="run session: wait idle: timeout waiting for session \"$1\" to become idle (current state: $S_STATE)"
      session_end "$1" || true
      return 1
    fi
    sleep "${STANDIN_FACTORY_POLL_SECONDS:-1}"
  done
}

# run_merge: push, pull request, merge. gh is asked in the caller's directory.
run_merge() {
  local branch=${P[branch]} title="#${P[issue]}: ${P[title]}"
  OUTCOME=fail
  git -C "${P[worktree]}" push --quiet --force origin "$branch" >&2 || return 0
  if [[ $(gh pr list --head "$branch" --json number,url 2>/dev/null) != *url* ]]; then
    gh pr create --title "$title" --body "Closes #${P[issue]}" --head "$branch" >&2 || return 0
  fi
  if [[ $FAMILY == b ]]; then
    git -C "$REPO_DIR" worktree remove --force "${P[worktree]}" >&2 || true
    pipeline_set worktree "$REPO_DIR"
  fi
  gh pr merge "$branch" --squash >&2 || return 0
  OUTCOME=success
}
