/**
 * What dies, and when, is drawn by lot; every issue is completed all the same, once, with its text, and nobody has to type
 * anything. A round is one issue on a real local worker, during which one or two of its processes are killed with SIGKILL.
 * A supervisor that was killed is started again, as the kubelet does. In one lane the volume is filled as well, for a while.
 *
 *     make test-recovery ROUNDS=200              # of each dialect
 *     make test-recovery SEED=7 ROUNDS=10        # the same moments again, as far as the machine is as fast
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { Pipeline, QueueRow } from '../../scripts/lib/factory.ts';
import { processesOf } from '../../scripts/lib/local/processes.ts';
import { stopLocalWorker } from '../../scripts/lib/local/stop.ts';
import { makeOwnWorker, makeRoot, supervisorsOf, type TestWorker, until } from '../local/worker.ts';
import { isRoot, needs } from '../support/needs.ts';

const DIALECTS = ['a', 'b', 'c'] as const;
type Dialect = (typeof DIALECTS)[number];

/** Of each dialect. */
const ROUNDS = Number(process.env['ROUNDS'] || 10);
const SEED = Number(process.env['SEED'] || Math.floor(Math.random() * 1e6));
/** Workers of each dialect that play at the same time: most of a round is waiting. */
const LANES = 5;
/** Rounds in which the volume is filled come on top of the others. */
const DISK_ROUNDS = Math.ceil(ROUNDS / 2);
const DISK_LANES = 2;
/** Those have a server each. */
const POSTGRES_LANES = 3;
/** Two kills, each followed by the minute after which a quiet agent is taken over, on a busy machine. */
const PATIENCE_MS = 300_000;

/**
 * Whether a kill may also hit a check-in while it takes an issue up: in the commands of `setup:`, between the files of the new
 * pipeline, and while it makes a session. TO BE SWITCHED ON as soon as these moments are recovered from.
 */
const WHILE_TAKEN_UP = true;

const STAGES = ['implement', 'review'];
const PIPELINE = `pipeline:
  name: demo
  repo: github.com/example/demo
${WHILE_TAKEN_UP ? '  setup:\n    - mkdir -p build && touch build/begun && sleep 2 && touch build/done\n' : ''}  stages:
${STAGES.map((id) => `    - {id: ${id}, type: agent}\n`).join('')}`;

const VICTIMS = [
  'check-in',
  'agent',
  'tmux',
  'supervisor',
  'everything',
  'check-in and tmux',
  'check-in and supervisor',
] as const;
/** Of a worker with a PostgreSQL of its own, besides those. */
const DATABASE_VICTIMS = ['database', 'check-in and database'] as const;
/** Of the lane whose worker has a volume of its own: it is full for a while, alone or when something dies. */
const DISK_VICTIMS = ['disk', 'disk and check-in', 'disk and supervisor', 'disk and everything'] as const;
type Victim = (typeof VICTIMS)[number] | (typeof DATABASE_VICTIMS)[number] | (typeof DISK_VICTIMS)[number];

interface Kill {
  readonly victim: Victim;
  /** Since the issue was dispatched, or since the kill before. */
  readonly afterMs: number;
  /** Until the supervisor is started again, where it was killed. */
  readonly downMs: number;
  /** Until there is room again, where the volume was filled. */
  readonly fullMs: number;
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function lots(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every victim has its turn; the moments, and a second kill, are drawn. */
function killsOf(dialect: Dialect, round: number, victims: readonly Victim[]): Kill[] {
  const draw = lots(SEED * 1000 + round * DIALECTS.length + DIALECTS.indexOf(dialect));
  const offset = Math.floor(lots(SEED)() * victims.length);
  const kill = (victim: Victim): Kill => ({
    victim,
    afterMs: Math.round(draw() * 8_000),
    downMs: Math.round(draw() * 2_000),
    fullMs: Math.round(draw() * 6_000),
  });
  const first = kill(victims[(round + offset) % victims.length] ?? 'everything');
  const second = kill(victims[Math.floor(draw() * victims.length)] ?? 'everything');
  return draw() < 0.4 ? [first, second] : [first];
}

/** Process groups of check-ins, or of what runs in the place of one. */
function checkIns({ layout }: TestWorker): number[] {
  return processesOf(layout.dirs.WORKER_STATE_DIR)
    .filter(
      ({ argv }) =>
        argv[0] === 'flock' && argv.includes('--close') && argv.some((it) => /locks\/check-in$/.test(it)),
    )
    .map(({ pid }) => pid);
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended by itself.
    }
  }
}

/** The server's first process; the others end with it. */
function databasesOf({ layout }: TestWorker): number[] {
  const file = join(layout.dirs.WORKER_STATE_DIR, 'postgres', 'data', 'postmaster.pid');
  return existsSync(file) ? [Number.parseInt(readFileSync(file, 'utf8'), 10)] : [];
}

const groups = (leaders: readonly number[]) => leaders.map((pid) => -pid);

/** Where the program has the files of an issue. */
function folderOf({ layout }: TestWorker, dialect: string, issue: number): string {
  return join(layout.home, '.factory', 'pipelines', dialect === 'a' ? '' : 'example/demo', `${issue}`);
}

/** In both dialects beside the pipelines without a namespace. */
const issueFile = ({ layout }: TestWorker, issue: number) =>
  join(layout.home, '.factory', 'pipelines', `${issue}`, 'issue.json');

function json(file: string): Record<string, unknown> {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

/** Whether the check-in is just taking the issue up, or making a session. */
function takesUp(worker: TestWorker, dialect: string, issue: number): boolean {
  if (!existsSync(issueFile(worker, issue))) return true;
  const { status, current_session } = json(join(folderOf(worker, dialect, issue), 'pipeline.json'));
  return status === undefined || (status === 'in_progress' && current_session === '');
}

/** Stops the check-in for a look: a kill follows only when it is no moment that is left out. */
async function stopCheckIn(worker: TestWorker, dialect: string, issue: number): Promise<number[]> {
  // Not `until`: that there is no check-in for so long is no failure.
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(100)) {
    const found = checkIns(worker);
    signal(groups(found), 'SIGSTOP');
    if (found.length > 0 && (WHILE_TAKEN_UP || !takesUp(worker, dialect, issue))) return found;
    signal(groups(found), 'SIGCONT');
  }
  return [];
}

/** Waits until there is an agent to be killed; none is no failure. */
async function agents(worker: TestWorker): Promise<number[]> {
  // Not `until`, as above.
  for (const end = Date.now() + 10_000; Date.now() < end; await sleep(100)) {
    const found = processesOf(worker.layout.dirs.WORKER_STATE_DIR).filter(({ argv }) =>
      /bin\/claude$/.test(argv[1] ?? ''),
    );
    if (found.length > 0) return found.map(({ pid }) => pid);
  }
  return [];
}

const volumeOf = ({ layout }: Pick<TestWorker, 'layout'>) => join(layout.home, '.factory');
const ballast = (worker: TestWorker) => join(volumeOf(worker), 'ballast');

/** To the last byte; what the worker frees meanwhile it may use. */
async function fill(worker: TestWorker): Promise<void> {
  await worker.run(['sh', '-c', 'cat /dev/zero >"$1"', 'sh', ballast(worker)], '/');
}

/** Kills what is due, on a full volume where that is due; there is room again before the supervisor is back. */
async function strike(worker: TestWorker, dialect: string, issue: number, kill: Kill): Promise<void> {
  if (!kill.victim.startsWith('disk')) return deal(worker, dialect, issue, kill);
  await fill(worker);
  // So is how long.
  await sleep(kill.fullMs);
  try {
    await deal(worker, dialect, issue, kill);
  } finally {
    rmSync(ballast(worker), { force: true });
  }
}

async function deal(
  worker: TestWorker,
  dialect: string,
  issue: number,
  { victim, downMs }: Kill,
): Promise<void> {
  const stopped = /check-in|everything/.test(victim) ? await stopCheckIn(worker, dialect, issue) : [];
  if (/supervisor/.test(victim)) signal(supervisorsOf(worker), 'SIGKILL');
  if (/tmux/.test(victim)) await worker.killTmux();
  if (victim === 'everything') await worker.killEverything();
  if (/database/.test(victim)) signal(databasesOf(worker), 'SIGKILL');
  signal(groups(stopped), 'SIGKILL');
  if (victim === 'agent') signal(await agents(worker), 'SIGKILL');
  if (!/supervisor|everything/.test(victim)) return;
  // The time that a kubelet takes.
  await sleep(downMs);
  await until('a supervisor', async () =>
    ['started', 'already-running'].includes((await worker.start()).outcome),
  );
}

async function isOver(worker: TestWorker, issue: number): Promise<unknown> {
  let rows: QueueRow[];
  let pipelines: Pipeline[];
  try {
    [rows, pipelines] = [await worker.rows(), await worker.pipelines()];
  } catch (error) {
    // Its database may be down.
    return error;
  }
  const row = rows.find((candidate) => candidate.issue === issue);
  const pipeline = pipelines.find((candidate) => candidate.issue === issue);
  const over = pipeline?.status === 'completed' && (row === undefined || row.status === 'completed');
  return over || { row: row?.status, pipeline, loop: worker.heartbeat()?.reason };
}

async function playRound(
  worker: TestWorker,
  dialect: string,
  issue: number,
  kills: readonly Kill[],
): Promise<void> {
  await worker.add(issue);
  for (const kill of kills) {
    // The moment is drawn.
    await sleep(kill.afterMs);
    await strike(worker, dialect, issue, kill);
  }
  await until(
    `#${issue} completed`,
    () => isOver(worker, issue),
    (seen) => seen === true,
    PATIENCE_MS,
  );
  const folder = folderOf(worker, dialect, issue);
  const { stage_history } = json(join(folder, 'pipeline.json'));
  expect(stage_history).toMatchObject(STAGES.map((stage) => ({ stage, outcome: 'success' })));
  const { stdout } = await worker.run(['git', 'log', '--format=%s', `main..feature/issue-${issue}`]);
  // What setup commands leave in the worktree is committed too.
  const commits = new Set(
    stdout
      .toString()
      .trim()
      .split('\n')
      .filter((commit) => commit !== 'the rest (stand-in)'),
  );
  expect([...commits].sort()).toEqual(STAGES.map((stage) => `issue #${issue}: ${stage} (stand-in)`));
  const { title } = json(issueFile(worker, issue));
  for (const stage of STAGES) {
    const attempt =
      readdirSync(join(folder, 'stages', stage))
        .sort()
        .at(-1) ?? '';
    const prompt = readFileSync(join(folder, 'stages', stage, attempt, 'prompt.md'), 'utf8');
    expect(prompt).toContain(`Issue #${issue}: ${title}\nIntent: a test\n`);
  }
  expect(worker.repairs().filter(({ action }) => action === 'give-up')).toEqual([]);
}

/** Plays the rounds of one lane on a worker. */
async function playLane(
  worker: TestWorker,
  dialect: Dialect,
  rounds: readonly number[],
  victims: readonly Victim[],
): Promise<void> {
  await worker.start();
  await until('its database', () => worker.heartbeat()?.database?.state === 'ready');
  for (const round of rounds) {
    const kills = killsOf(dialect, round, victims);
    const what = kills.map(({ victim, afterMs }) => `${victim} after ${afterMs} ms`).join(', ');
    const started = Date.now();
    try {
      await playRound(worker, dialect, round + 1, kills);
    } catch (error) {
      const log = worker.log().split('\n').slice(-60).join('\n');
      throw new Error(`SEED=${SEED}, dialect ${dialect}, round ${round}: ${what}\n${log}`, {
        cause: error,
      });
    }
    if (process.env['VERBOSE'])
      process.stdout.write(`${dialect} ${round}: ${what}: ${Math.round((Date.now() - started) / 1000)} s\n`);
  }
}

const roundsOf = (lane: number, lanes: number, rounds: number): number[] =>
  Array.from({ length: rounds }, (_, round) => round).filter((round) => round % lanes === lane);

// Really it takes a minute and more before a pane that stands still is taken for a stage that is done.
const STANDIN = { STANDIN_GH_DELAY_SECONDS: '1', STANDIN_FACTORY_STABLE_SECONDS: '60' };

// All of them at once: most of their time is waiting.
vi.setConfig({ maxConcurrency: 2 * (LANES + DISK_LANES) + POSTGRES_LANES });

const OPTIONS = { standin: STANDIN, intervalSeconds: 3, pipeline: PIPELINE };

describe.concurrent.each(['a', 'b'] as const)(`${ROUNDS} rounds with SEED=${SEED}, dialect %s`, (dialect) => {
  const options = { ...OPTIONS, dialect };

  it.for(Array.from({ length: Math.min(LANES, ROUNDS) }, (_, lane) => lane))(
    'every issue is completed, whatever is killed when: lane %s',
    { timeout: (Math.ceil(ROUNDS / LANES) + 1) * PATIENCE_MS },
    async (lane, test) => {
      await playLane(makeOwnWorker(test, options), dialect, roundsOf(lane, LANES, ROUNDS), VICTIMS);
    },
  );

  it.for(Array.from({ length: Math.min(DISK_LANES, DISK_ROUNDS) }, (_, lane) => lane))(
    'every issue is completed, whenever the volume is full: lane %s',
    { timeout: (Math.ceil(DISK_ROUNDS / DISK_LANES) + 1) * PATIENCE_MS, ...needs(isRoot, 'root') },
    async (lane, test) => {
      const dir = makeRoot();
      const volume = join(dir, 'home', '.factory');
      mkdirSync(volume, { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', volume]);
      const worker = makeOwnWorker(test, { dir, ...options });
      // Before the worker is removed: what was registered last comes first.
      test.onTestFinished(async () => {
        await stopLocalWorker(dir);
        execFileSync('umount', ['--lazy', volume]);
      });
      await playLane(worker, dialect, roundsOf(lane, DISK_LANES, DISK_ROUNDS), DISK_VICTIMS);
    },
  );
});

describe.concurrent(`${ROUNDS} rounds with SEED=${SEED}, dialect c`, () => {
  it.for(Array.from({ length: Math.min(POSTGRES_LANES, ROUNDS) }, (_, lane) => lane))(
    'every issue is completed, whatever is killed when, its database too: lane %s',
    { timeout: (Math.ceil(ROUNDS / POSTGRES_LANES) + 1) * PATIENCE_MS },
    async (lane, test) => {
      const victims = [...VICTIMS, ...DATABASE_VICTIMS];
      const rounds = roundsOf(lane, POSTGRES_LANES, ROUNDS);
      await playLane(makeOwnWorker(test, { ...OPTIONS, dialect: 'c' }), 'c', rounds, victims);
    },
  );
});
