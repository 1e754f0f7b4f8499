# shellcheck shell=bash
# Fetches an issue from GitHub, and derives its intent with claude.
# Source of the facts: the factory contract, sections 2 and 4.

ISSUE_JSON=
ISSUE_TITLE=
INTENT=

# fetch_issue N DIR REPO: asks gh in DIR (with --repo REPO unless empty). Sets
# ISSUE_JSON and ISSUE_TITLE; on failure ERROR, returns 1.
fetch_issue() {
  local args=(issue view "$1" --json 'number,title,body,state,labels,milestone') log
  [[ -z $3 ]] || args+=(--repo "$3")
  if ! command -v gh >/dev/null; then
    # shellcheck disable=SC2016  # Go's literal words
    ERROR='gh issue view: exec: "gh": executable file not found in $PATH'
    return 1
  fi
  log=$(mktemp)
  if ! ISSUE_JSON=$(cd -- "$2" && gh "${args[@]}" 2>"$log"); then
    ERROR="gh issue view $1: $(<"$log")"
    rm -f -- "$log"
    return 1
  fi
  rm -f -- "$log"
  quote "$ISSUE_JSON"
  if ! json_tool "SELECT json_extract($QUOTED, '\$.title');"; then
    ERROR="parse issue JSON: $DB_ERR"
    return 1
  fi
  ISSUE_TITLE=$DB_OUT
}

# derive_intent: from ISSUE_JSON. Sets INTENT, empty when claude finds none;
# on failure ERROR, returns 1.
derive_intent() {
  local body prompt number
  quote "$ISSUE_JSON"
  json_tool "SELECT json_extract($QUOTED, '\$.body');" || DB_OUT=
  body=$DB_OUT
  json_tool "SELECT json_extract($QUOTED, '\$.number');" || DB_OUT=
  number=$DB_OUT
  prompt="Say in one sentence what the user gets from this issue, or NO_INTENT.

Issue #$number: $ISSUE_TITLE

$body"
  if ! INTENT=$(claude --print --model haiku "$prompt" 2>&1); then
    ERROR="claude: $INTENT"
    return 1
  fi
  [[ $INTENT != NO_INTENT ]] || INTENT=
}
