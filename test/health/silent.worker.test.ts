/** An agent that hangs, seen eleven minutes later by every command that says how a worker is: real panes, a clock that is ahead. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { doctor } from '../../scripts/doctor.ts';
import { list } from '../../scripts/list.ts';
import { status } from '../../scripts/status.ts';
import { watchWorkers } from '../../scripts/watch.ts';
import { why } from '../../scripts/why.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type Outcome, run } from '../support/run-command.ts';
import { until } from '../support/until.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker({ projects: [] });
  await worker.clone('demo', 'pipeline:\n  stages:\n    - id: implement\n      type: agent\n');
  await worker.bash(
    `printf "export PATH=%q\\n" "$PATH" >"$HOME/.bash_profile"; printf '%s\\n' STANDIN_FACTORY_BOOT_SECONDS=0.2 STANDIN_CLAUDE_MODE=hang >>"$HOME/.factory-standin"`,
  );
  await worker.bash('cd "$WORKER_REPOS_DIR/demo" && factory queue add 23 --intent "a test"');
  // The first takes it from the queue, the second begins; as the supervisor runs them.
  await worker.bash('cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in --format json');
  worker.start(
    'exec 8>>"$WORKER_STATE_DIR/locks/check-in" && flock 8 && cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in --format json 8>&-',
  );
  await until(
    'the agent at its stage',
    () => worker.bash('cd "$WORKER_REPOS_DIR/demo" && factory status --format json'),
    (said) => said.includes('"in_progress"') && said.includes('23-implement-1'),
  );
  // Unset, the variable is one like any other.
  const ahead = 'unset EPOCHREALTIME; EPOCHREALTIME=$(($(date +%s) + 660)).0';
  await writeFile(
    join(worker.dir, 'bin', 'bash'),
    `#!/bin/sh\n[ "$1" = -c ] || exec /bin/bash "$@"\ntext=$2\nshift 2\nexec /bin/bash -c '${ahead}'"\n$text" "$@"\n`,
    { mode: 0o755 },
  );
});
afterAll(() => worker.remove());

const CAUSE = 'the session 23-implement-1 of #23 has been silent for 11m';
const options = () => ({ env: worker.laptop });

it.each<[string, () => Promise<Outcome>, number, RegExp]>([
  ['status', () => run(status, ['w'], options()), 0, new RegExp(`^w: degraded .*\\n\\n {2}! ${CAUSE}\\n`)],
  ['list', () => run(list, ['w'], options()), 0, new RegExp(`degraded [\\s\\S]*w is degraded: ${CAUSE}\\n`)],
  [
    'why',
    () => run(why, ['w'], options()),
    0,
    new RegExp(`${CAUSE}\\n {5}seen: factory status: #23 in_progress`),
  ],
  // 1 for the kubectl that this laptop does not have.
  ['doctor', () => run(doctor, ['w'], options()), 1, new RegExp(`warn +silent +${CAUSE}\\n`)],
  [
    'watch',
    () => run(watchWorkers, ['w', '--interval', '200ms'], { ...options(), interruptAt: 'worker-trouble' }),
    130,
    new RegExp(`worker-trouble: degraded: ${CAUSE}\\n`),
  ],
])('%s tells of it', async (_, look, code, text) => {
  const answer = await look();
  expect(answer.stdout + answer.stderr).toMatch(text);
  expect(answer.code).toBe(code);
});
