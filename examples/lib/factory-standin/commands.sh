# shellcheck shell=bash
# shellcheck disable=SC2034  # the SPEC_ variables are read by cobra.sh
# The commands of each dialect: their flags, arguments and one line of help.

# command_spec PATH ("" is the program itself): sets SPEC_HELP, SPEC_USE,
# SPEC_ARGS, SPEC_REQUIRED, SPEC_FLAGS (name|type|default|help, alphabetical)
# and SPEC_COMMANDS (name|help). Returns 1 when there is no such command.
command_spec() {
  SPEC_HELP='' SPEC_USE='' SPEC_ARGS='any 0'
  SPEC_REQUIRED=() SPEC_FLAGS=() SPEC_COMMANDS=()
  case $1 in
    '') root_spec ;;
    version) SPEC_HELP='Print the version' ;;
    status)
      SPEC_HELP='Show the pipelines of this store'
      SPEC_FLAGS=('format|string|text|Output format: text or json')
      ;;
    queue)
      SPEC_HELP='Manage the queue of issues'
      SPEC_COMMANDS=(
        'add|Add issues to the queue' 'clear|Remove everything from the queue' 'list|List the queue'
        'remove|Remove one issue from the queue' 'set-intent|Set the feature intent of a queued issue'
      )
      ;;
    "queue add") queue_add_spec ;;
    "queue list")
      SPEC_HELP='List the queue'
      SPEC_FLAGS=('format|string|table|Output format: table or json')
      ;;
    "queue remove") SPEC_HELP='Remove one issue from the queue' SPEC_USE='<issue>' SPEC_ARGS='exact 1' ;;
    "queue set-intent")
      SPEC_HELP='Set the feature intent of a queued issue'
      SPEC_USE='<issue> <intent>' SPEC_ARGS='exact 2'
      ;;
    "queue clear")
      SPEC_HELP='Remove everything from the queue'
      SPEC_FLAGS=('confirm|bool||Confirm it')
      ;;
    pipeline)
      SPEC_HELP='Manage the pipelines of issues'
      SPEC_COMMANDS=(
        'abort|Stop a pipeline' 'advance|Run the current stage of a pipeline' 'cleanup|Remove an ended pipeline'
        'fail|Mark a pipeline as failed' 'list|List all pipelines' 'retry|Count one more attempt of the stage'
        'status|Show one pipeline'
      )
      ;;
    "pipeline list") SPEC_HELP='List all pipelines' SPEC_FLAGS=('status|string||Only those with this status') ;;
    "pipeline advance" | "pipeline status")
      SPEC_HELP='Show or run one pipeline' SPEC_USE='[issue-number]' SPEC_ARGS='exact 1'
      SPEC_FLAGS=('format|string|text|Output format: text or json')
      ;;
    "pipeline retry" | "pipeline fail")
      SPEC_HELP='Change the state of one pipeline' SPEC_USE='[issue-number]' SPEC_ARGS='exact 1'
      SPEC_FLAGS=('reason|string||Why')
      ;;
    "pipeline abort")
      SPEC_HELP='Stop a pipeline' SPEC_USE='[issue-number]' SPEC_ARGS='exact 1'
      SPEC_FLAGS=('remove-worktree|bool||Remove the worktree too')
      ;;
    "pipeline cleanup") SPEC_HELP='Remove an ended pipeline' SPEC_USE='[issue-number]' SPEC_ARGS='exact 1' ;;
    session)
      SPEC_HELP='Manage the tmux sessions of the stages'
      SPEC_COMMANDS=(
        'create|(not in the stand-in)' 'kill|Kill a session' 'list|List the sessions' 'peek|Show what a session shows'
        'send|Send a prompt to a session' 'status|Show the state of a session' 'steer|Steer a session'
        'wait-idle|(not in the stand-in)'
      )
      ;;
    "session list") SPEC_HELP='List the sessions' SPEC_FLAGS=('issue|int||Only those of this issue') ;;
    "session peek")
      SPEC_HELP='Show what a session shows' SPEC_USE='[session-name]' SPEC_ARGS='exact 1'
      SPEC_FLAGS=('lines|int|50|Lines of scrollback')
      ;;
    "session status")
      SPEC_HELP='Show the state of a session' SPEC_USE='[session-name]' SPEC_ARGS='exact 1'
      SPEC_FLAGS=('detect-human|bool||Tell whether a human typed in it')
      ;;
    "session kill") SPEC_HELP='Kill a session' SPEC_USE='[session-name]' SPEC_ARGS='exact 1' ;;
    "session send") SPEC_HELP='Send a prompt to a session' SPEC_USE='[session-name] [prompt]' SPEC_ARGS='min 2' ;;
    "session steer") SPEC_HELP='Steer a session' SPEC_USE='[session-name] [message]' SPEC_ARGS='min 2' ;;
    "session create" | "session wait-idle") SPEC_HELP='Not reproduced by the stand-in' ;;
    triage)
      other_spec triage || return 1
      SPEC_HELP='Triage issues with agents'
      SPEC_COMMANDS=('run|Start the triage of an issue')
      ;;
    "triage run")
      other_spec triage || return 1
      SPEC_HELP='Start the triage of an issue' SPEC_USE='<issue>' SPEC_ARGS='exact 1'
      ;;
    event) SPEC_HELP='Log events of sessions' SPEC_COMMANDS=('log|Log an event (called by the hooks)') ;;
    "event log")
      SPEC_HELP='Log an event of a session'
      SPEC_REQUIRED=(event issue session stage)
      SPEC_FLAGS=(
        'event|string||started, active, idle, exited, factory_send, steer or human_input' 'exit-code|int||Exit code'
        'issue|int||Issue number' 'metadata|string||JSON' 'session|string||Name of the session' 'stage|string||Stage'
      )
      ;;
    orchestrator)
      SPEC_HELP='Drive the pipelines'
      SPEC_COMMANDS=('check-in|Take one step with every live pipeline, or take an issue from the queue' 'status|Show the pipelines')
      ;;
    "orchestrator check-in" | "orchestrator status")
      SPEC_HELP='One step of the orchestrator'
      SPEC_FLAGS=('format|string|text|Output format: text or json')
      ;;
    *) other_spec "$1" ;;
  esac
}

queue_add_spec() {
  SPEC_HELP='Add issues to the queue' SPEC_USE='<issue>...' SPEC_ARGS='min 1'
  local intent='intent|string||Feature intent: what its user gets'
  case $DIALECT in
    design)
      SPEC_USE='' SPEC_ARGS='none 0' SPEC_REQUIRED=(issue project)
      SPEC_FLAGS=("$intent" 'issue|string||Issue number' 'project|string||Project of the issue')
      ;;
    a) SPEC_FLAGS=("$intent") ;;
    b | c)
      SPEC_REQUIRED=(config)
      SPEC_FLAGS=(
        "config|string||Path to the project's pipeline.yaml (required)"
        'depends-on|string||Comma-separated issue numbers to wait for' "$intent"
      )
      ;;
  esac
}

# Commands the stand-in lists, because tools tell the dialects apart by them,
# but does not reproduce.
other_names() {
  case $DIALECT in
    design | a) echo 'analytics check completion config context db pr qa stage worktree' ;;
    b) echo 'analytics check completion config context db discord pr qa serve stage triage worktree' ;;
    c) echo 'analytics check completion config context db deploy discord pr qa repo serve stage triage worktree' ;;
  esac
}

other_spec() {
  [[ " $(other_names) " == *" $1 "* ]] || return 1
  SPEC_HELP='Not reproduced by the stand-in'
}

root_spec() {
  local name spec names
  SPEC_HELP="stand-in for TaintFactory's factory, dialect $DIALECT (not the real program)"
  names=$(tr ' ' '\n' <<<"event help orchestrator pipeline queue session status version $(other_names)" | LC_ALL=C sort)
  for name in $names; do
    case $name in
      event) spec='Log events of sessions' ;;
      help) spec='Help about any command' ;;
      orchestrator) spec='Drive the pipelines' ;;
      pipeline) spec='Manage the pipelines of issues' ;;
      queue) spec='Manage the queue of issues' ;;
      session) spec='Manage the tmux sessions of the stages' ;;
      status) spec='Show the pipelines of this store' ;;
      triage) spec='Triage issues with agents' ;;
      version) spec='Print the version' ;;
      *) spec='(not in the stand-in)' ;;
    esac
    SPEC_COMMANDS+=("$name|$spec")
  done
}
