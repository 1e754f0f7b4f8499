/** An interrupted queue with the stand-in for claude, in dialects A and B. */
import { describe, it } from 'vitest';
import { AT, makeInterruptedWorker, playInterruptedQueue, QUEUE_MS } from './interrupted-queue.ts';
import { BIN } from './worker.ts';

/** Interrupts each of the three issues once; what it has done is noted by files in the folder of the test. */
const programs = (dir: string) => ({
  claude: `#!/bin/bash
token=$WORKER_SECRETS_DIR/CLAUDE_CODE_OAUTH_TOKEN
once() { mkdir "${dir}/../$1" 2>/dev/null; }
session=
[[ -z $TMUX_PANE ]] || session=$(tmux display-message -p -t "$TMUX_PANE" '#S')
case $session in
  ${AT.refused}-*) ! once refused || echo bad >"$token" ;;
  ${AT.limit}-*)
    if once limit; then
      export STANDIN_CLAUDE_FAILURE=rate_limit
      export STANDIN_CLAUDE_FAILURE_TEXT="You've hit your limit · resets $(date --utc --date='1 minute' +%-I:%M%P) (UTC)"
    fi
    ;;
  ${AT.question}-*) export STANDIN_CLAUDE_MODE=ask ;;
esac
export CLAUDE_CODE_OAUTH_TOKEN=$(cat "$token")
exec ${BIN}/claude "$@"
`,
});

describe.concurrent.each(['a', 'b'] as const)('ten issues, dialect %s', (dialect) => {
  it('complete without an operator, but for an answer', { timeout: QUEUE_MS }, async (test) => {
    // Two seconds, so that the supervisor hears of a failure before factory looks.
    const standin = { STANDIN_FACTORY_POLL_SECONDS: '2', STANDIN_CLAUDE_WORK_SECONDS: '0.3' };
    await playInterruptedQueue(test, makeInterruptedWorker(test, dialect, programs, standin));
  });
});
