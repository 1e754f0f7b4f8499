/**
 * A fleet for the pictures of the dashboard: workers made by hand (hand-worker.ts) whose stand-in agents are at their stages,
 * one of each kind of trouble, and one behind an API server that refuses. Their clocks stand still, so that every age is the
 * same at each run.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeHold } from '../../scripts/lib/account.ts';
import type { AccountHold } from '../../scripts/lib/contract.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { makeFolder } from '../support/janitor.ts';
import { until } from '../support/until.ts';

interface Work {
  readonly project: string;
  readonly issue: number;
  readonly stage: string;
  /** How many issues wait behind it. */
  readonly behind: number;
  readonly screen: string;
  /** Minutes since its session last printed something, and since it began, about. */
  readonly minutes: number;
}

interface Member {
  readonly name: string;
  readonly work?: Work;
  /** Whether its account has hit its limit, a person has drained it, or its cluster does not answer. */
  readonly is?: 'at its limit' | 'drained' | 'unreachable';
}

/** What an agent shows: the steps of its work, the latest last. */
const steps = (...lines: string[]) => ['● Reading the issue', ...lines].join('\n');

/** More than a pane of any picture has rows: what was on the screen before is never part of one. */
const ASKS = `● Reading the issue
  └  #41: a greeting has no end

● Looking at 14 files
  └  greet.sh says hello, and ends with 0
  └  test.sh has 12 cases, none for the end
  └  README.md shows two examples

● Running ./test.sh
  └  12 passed

● Editing greet.sh
  └  + on_exit() { printf 'Goodbye, %s\\n' "$name"; }
  └  + trap on_exit EXIT

● Editing test.sh
  └  + says_goodbye_on_exit
  └  + says_goodbye_after_ctrl_c
  └  + says_nothing_without_a_name

● Running ./test.sh
  └  15 passed

● Committed: greet.sh says goodbye on exit

● Editing README.md
  └  + $ ./greet.sh World
  └  + Hello, World
  └  + Goodbye, World

● One thing is left open by the issue.

────────────────────────────────────────
 ☐ Goodbye
Should --quiet say goodbye, too?

❯ 1. No: quiet means quiet
  2. Yes
  3. Type something.

Enter to select · ↑/↓ to navigate · Esc to cancel`;

const FLEET: readonly Member[] = [
  {
    name: 'worker-1',
    work: {
      project: 'shop',
      issue: 23,
      stage: 'implement',
      behind: 2,
      minutes: 7,
      screen: steps('● Editing cart.ts', '● Running npm test'),
    },
  },
  {
    name: 'worker-2',
    work: { project: 'greet', issue: 41, stage: 'review', behind: 1, minutes: 4, screen: ASKS },
  },
  {
    name: 'worker-3',
    work: {
      project: 'shop',
      issue: 25,
      stage: 'qa',
      behind: 0,
      minutes: 3,
      screen: steps('● Running npm test', '  └  214 passed'),
    },
  },
  { name: 'worker-4' },
  {
    name: 'worker-5',
    work: {
      project: 'docs',
      issue: 8,
      stage: 'implement',
      behind: 3,
      minutes: 11,
      screen: steps('● Running make html'),
    },
  },
  { name: 'worker-6', is: 'at its limit' },
  { name: 'worker-7', is: 'drained' },
  { name: 'worker-8', is: 'unreachable' },
];

export interface Fleet {
  /** The environment of an operator with these workers. */
  readonly env: NodeJS.ProcessEnv;
  remove(): Promise<void>;
}

/** Starts all of them, and waits until the agents show what they show. */
export async function startFleet(): Promise<Fleet> {
  const folder = await makeFolder('fleet-');
  const workers: HandWorker[] = [];
  const remove = async () => {
    for (const worker of workers) await worker.remove();
  };
  try {
    for (const { is } of FLEET) if (is !== 'unreachable') workers.push(await handWorker({ projects: [] }));
    const members = FLEET.filter(({ is }) => is !== 'unreachable');
    await Promise.all(workers.map((worker, at) => prepare(worker, members[at] as Member)));
    const kubectl = join(folder, 'kubectl');
    await writeFile(
      kubectl,
      '#!/bin/sh\necho "The connection to the server 203.0.113.7:6443 was refused - did you specify the right host or port?" >&2\nexit 1\n',
    );
    await chmod(kubectl, 0o755);
    await mkdir(join(folder, 'home'));
    const file = join(folder, 'workers.yaml');
    const entries = FLEET.map(({ name, is }) =>
      is === 'unreachable'
        ? `  - {name: ${name}, pod: factory-${name}, namespace: factory, context: my-cluster}\n`
        : `  - {name: ${name}, runtime: local, home: ${workers[members.findIndex((one) => one.name === name)]?.dir}}\n`,
    );
    await writeFile(file, `workers:\n${entries.join('')}`);
    const env = {
      PATH: process.env['PATH'],
      HOME: join(folder, 'home'),
      FACTORY_WORKERS: file,
      KUBECTL: kubectl,
      FACTORY_WORKER_TRANSPORT: 'kubectl',
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
    };
    return { env, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function prepare(worker: HandWorker, { work, is }: Member): Promise<void> {
  if (work !== undefined) await begin(worker, work);
  else await worker.bash("tmux new-session -d -s orchestrator 'exec cat'");
  const at = new Date().toISOString();
  if (is === 'drained') {
    const drain = { schema: 1, by: 'ann', host: 'laptop', since: at, reason: '', release: null };
    await writeFile(join(worker.state, 'drain'), JSON.stringify(drain));
  }
  if (is === 'at its limit') {
    const until = new Date(Date.now() + 10_000_000).toISOString();
    const account: AccountHold = { cause: 'limit', text: '', since: at, until, probeAt: null, sessions: [] };
    const beat = { schema: 1, state: 'refused', reason: describeHold(account), pid: 1, project: null };
    await worker.write(
      'run/heartbeat.json',
      JSON.stringify({
        ...beat,
        startedAt: at,
        finishedAt: at,
        intervalSeconds: 86_400,
        actions: [],
        account,
      }),
    );
  }
}

/** Two check-ins, as the supervisor runs them: the first takes the issue from the queue, the second begins its stage. */
async function begin(worker: HandWorker, work: Work): Promise<void> {
  const { project, issue, stage, behind, screen, minutes } = work;
  await worker.clone(project, `pipeline:\n  stages:\n    - id: ${stage}\n      type: agent\n`);
  await worker.write('screen', screen);
  const settings = `STANDIN_FACTORY_BOOT_SECONDS=0.2\nSTANDIN_CLAUDE_MODE=screen\nSTANDIN_CLAUDE_SCREEN=${worker.dir}/screen\n`;
  const issues = Array.from({ length: behind + 1 }, (_, n) => issue + n).join(' ');
  await worker.bash(`printf 'export PATH=%q\\n' "$PATH" >"$HOME/.bash_profile"
printf '%s' ${settings
    .split('\n')
    .map((line) => `'${line}'$'\\n'`)
    .join('')} >>"$HOME/.factory-standin"
cd "$WORKER_REPOS_DIR/${project}"
factory queue add ${issues} --intent 'as the issue says'
factory orchestrator check-in --format json`);
  worker.start(
    `exec 8>>"$WORKER_STATE_DIR/locks/check-in" && flock 8 && cd "$WORKER_REPOS_DIR/${project}" && factory orchestrator check-in --format json 8>&-`,
    { stdio: ['pipe', 'pipe', 'ignore'] },
  );
  const session = `${issue}-${stage}-1`;
  const last = screen.split('\n').at(-1) ?? '';
  await until(
    `${session} at work`,
    () => worker.bash(`tmux capture-pane -p -t =${session}:`),
    (shown) => shown.includes(last),
  );
  const activity = Number(await worker.bash(`tmux display-message -p -t =${session}: '#{window_activity}'`));
  await stopClock(worker, activity + minutes * 60 + 15);
}

/** From now on, every script that a command runs in the worker sees this time. */
async function stopClock({ dir }: HandWorker, seconds: number): Promise<void> {
  // Unset, the variable is one like any other.
  const stop = `unset EPOCHREALTIME; EPOCHREALTIME=${seconds}.0`;
  await writeFile(
    join(dir, 'bin', 'bash'),
    `#!/bin/sh\n[ "$1" = -c ] || exec /bin/bash "$@"\ntext=$2\nshift 2\nexec /bin/bash -c '${stop}'"\n$text" "$@"\n`,
    { mode: 0o755 },
  );
}
