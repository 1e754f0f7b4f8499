/** Real local workers in folders of their own, with the stand-ins; every one is stopped and removed by `removeWorkers`. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { DEFAULT_SETTINGS, FILES, type Heartbeat, type Repair } from '../../scripts/lib/contract.ts';
import { createExec, type RunResult } from '../../scripts/lib/exec.ts';
import {
  type Pipeline,
  POSTGRES_DRIVER,
  parsePipelines,
  parseQueue,
  type QueueRow,
} from '../../scripts/lib/factory.ts';
import type { LocalLayout } from '../../scripts/lib/local/layout.ts';
import {
  type LocalWorkerSpec,
  prepareLocalWorker,
  readLocalWorker,
} from '../../scripts/lib/local/prepare.ts';
import { processesOf, signalProcess } from '../../scripts/lib/local/processes.ts';
import { type StartResult, startLocalWorker } from '../../scripts/lib/local/start.ts';
import { stopLocalWorker } from '../../scripts/lib/local/stop.ts';
import { readJsonLines } from '../../scripts/lib/read-contract.ts';
import { withoutForks } from '../support/processes.ts';
import { until } from '../support/until.ts';

export { until };

export const exec = createExec();
/** The bundle: it starts in a quarter of the time of the source. */
const SUPERVISOR = [process.execPath, join(packageRoot(), 'dist', 'supervisor.js')] as const;
export const BIN = join(packageRoot(), 'examples', 'bin');

/** Short, so that a stage lasts about two seconds. */
const QUICK = {
  STANDIN_FACTORY_BOOT_SECONDS: '0.3',
  STANDIN_FACTORY_POLL_SECONDS: '0.3',
  STANDIN_CLAUDE_QUIET_SECONDS: '0.4',
  STANDIN_CLAUDE_WORK_SECONDS: '0.6',
};

const PIPELINE = `pipeline:
  name: demo
  repo: github.com/example/demo
  stages:
    - id: implement
      type: agent
`;

export interface TestWorker {
  readonly dir: string;
  readonly layout: LocalLayout;
  start(): Promise<StartResult>;
  /** Runs a program in the worker's environment, in the clone unless told otherwise. */
  run(argv: readonly [string, ...string[]], cwd?: string): Promise<RunResult>;
  add(issue: number, ...flags: string[]): Promise<void>;
  /** In the database of its program. */
  sql(statement: string): Promise<void>;
  rows(): Promise<QueueRow[]>;
  pipelines(): Promise<Pipeline[]>;
  sessions(): Promise<string[]>;
  heartbeat(): Heartbeat | null;
  repairs(): Repair[];
  log(): string;
  /** Lets the agent of a worker that was made with `agentWaits` go on, and every later one. */
  letAgentGoOn(): void;
  /** SIGKILL to every process of the worker, as a lost node would. */
  killEverything(): Promise<void>;
  /** SIGKILL to its tmux server, where there is one. */
  killTmux(): Promise<void>;
}

/** What tests have made and `removeWorkers` removes. */
const roots: string[] = [];
const made: string[] = [];

/** A folder of its own; `name` may be any file name. */
export function makeRoot(name = 'w'): string {
  const root = mkdtempSync(join(tmpdir(), 'fw-test-'));
  roots.push(root);
  return join(root, name);
}

/** For tests that run side by side: their own worker is stopped and removed at their end. */
export function makeOwnWorker(
  test: Pick<TestContext, 'onTestFinished'>,
  options: TestWorkerOptions = {},
): TestWorker {
  const worker = makeWorker(options);
  made.splice(made.indexOf(worker.dir), 1);
  test.onTestFinished(async () => {
    await stopLocalWorker(worker.dir);
    rmSync(join(worker.dir, '..'), { recursive: true, force: true });
  });
  return worker;
}

export interface TestWorkerOptions {
  readonly dir?: string;
  /** `c` keeps its state in a PostgreSQL of the worker's own. */
  readonly dialect?: 'a' | 'b' | 'c' | 'design';
  readonly standin?: Readonly<Record<string, string>>;
  readonly spec?: Partial<LocalWorkerSpec>;
  readonly intervalSeconds?: number;
  /** No agent ends its work before it is let go on. */
  readonly agentWaits?: boolean;
  /** The project's `setup:` commands. */
  readonly setup?: readonly string[];
  /** The project's pipeline.yaml; one stage, `implement`, when left out. */
  readonly pipeline?: string;
}

/**
 * Makes programs that are found before the stand-ins, by the text of each.
 * @returns the folders in which such a worker looks for programs
 */
export function ownPrograms(dir: string, texts: Readonly<Record<string, string>>): string[] {
  const bin = join(dir, '..', 'bin');
  mkdirSync(bin, { recursive: true });
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(bin, name), text, { mode: 0o755 });
  return [bin, BIN];
}

/** The same for a build that keeps its state in PostgreSQL, which is told by its driver's name in the file. */
function postgresPrograms(dir: string): string[] {
  const factory = `#!/bin/sh\n# ${POSTGRES_DRIVER}\nexec ${join(BIN, 'factory-postgres')} "$@"\n`;
  const folders = ownPrograms(dir, { factory });
  // The tests may be root, and the server is another user then, who has to get to its folder.
  chmodSync(join(dir, '..'), 0o711);
  return folders;
}

/** Prepares a worker with one project, `demo`, whose pipeline has one stage. */
export function makeWorker(options: TestWorkerOptions = {}): TestWorker {
  const {
    dialect = 'a',
    standin = {},
    spec = {},
    intervalSeconds = 1,
    agentWaits = false,
    setup = [],
    pipeline = PIPELINE,
  } = options;
  const dir = options.dir ?? makeRoot();
  const origin = join(dir, '..', 'origin.git');
  const commands = setup.length === 0 ? '' : `  setup: ${JSON.stringify(setup)}\n`;
  makeOrigin(origin, pipeline + commands);
  const layout = prepareLocalWorker({
    dir,
    name: 'w1',
    binDirs: dialect === 'c' ? postgresPrograms(dir) : [BIN],
    projects: [{ name: 'demo', repo: origin, branch: null, config: 'pipeline.yaml' }],
    settings: { ...DEFAULT_SETTINGS, orchestrator: { enabled: true, intervalSeconds } },
    ...spec,
  });
  made.push(dir);
  const goOn = join(layout.home, 'go-on');
  const waits = agentWaits ? { STANDIN_CLAUDE_WAIT_FOR: goOn } : {};
  const settings = { ...QUICK, STANDIN_FACTORY_DIALECT: dialect, ...waits, ...standin };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(layout.home, '.factory-standin'), lines.join(''));
  const clone = join(layout.dirs.WORKER_REPOS_DIR, 'demo');
  const { WORKER_STATE_DIR } = layout.dirs;
  const run: TestWorker['run'] = (argv, cwd = clone) => {
    const url = readText(join(layout.dirs.WORKER_RUN_DIR, FILES.databaseUrl)).trim();
    const env = { ...readLocalWorker(dir).env, ...(url === '' ? {} : { DATABASE_URL: url }) };
    return exec.run(argv, { env, cwd, timeoutMs: 40_000 });
  };
  const must = async (argv: readonly [string, ...string[]]): Promise<string> => {
    const result = await run(argv);
    if (result.code !== 0) throw new Error(`${argv.join(' ')}: ${result.stderr}`);
    return result.stdout.toString();
  };
  return {
    dir,
    layout,
    start: () => startLocalWorker(dir, { exec, supervisor: SUPERVISOR }),
    run,
    async add(issue, ...more) {
      await until('the clone', async () => (await run(['test', '-e', '.git'], clone)).code === 0);
      const flags = {
        a: [`${issue}`],
        b: [`${issue}`, '--config', join(clone, 'pipeline.yaml')],
        c: [`${issue}`, '--config', join(clone, 'pipeline.yaml')],
        design: ['--project', 'demo', '--issue', `${issue}`],
      }[dialect];
      // Under the queue's lock, as dispatch does it: first calls on a fresh store may not meet.
      const lock = join(WORKER_STATE_DIR, 'locks', 'queue');
      await must([
        'flock',
        '--close',
        lock,
        'factory',
        'queue',
        'add',
        ...flags,
        ...more,
        '--intent',
        'a test',
      ]);
      writeFileSync(
        join(WORKER_STATE_DIR, 'dispatch.jsonl'),
        `${JSON.stringify({ issue, project: 'demo', at: '', by: 'test' })}\n`,
        { flag: 'a' },
      );
    },
    sql: async (statement) =>
      void (await must([
        'sqlite3',
        '-cmd',
        '.timeout 10000',
        join(layout.home, '.factory', 'factory.db'),
        statement,
      ])),
    rows: async () => parseQueue(await must(['factory', 'queue', 'list', '--format', 'json'])),
    pipelines: async () => parsePipelines(await must(['factory', 'status', '--format', 'json'])),
    sessions: async () => {
      const { stdout } = await run(['tmux', 'list-sessions', '-F', '#{session_name}'], layout.home);
      return stdout.toString().split('\n').filter(Boolean);
    },
    heartbeat() {
      const text = readText(layout.heartbeatFile);
      return text === '' ? null : (JSON.parse(text) as Heartbeat);
    },
    repairs: () =>
      readJsonLines('repair', 'repairs.jsonl', readText(join(WORKER_STATE_DIR, 'repairs.jsonl'))),
    log: () => readText(layout.log),
    letAgentGoOn: () => writeFileSync(goOn, ''),
    async killEverything() {
      // Whatever was being forked when it was looked at is ended by the next look.
      const endThem = () => {
        const left = processesOf(WORKER_STATE_DIR);
        for (const { pid } of left) signalProcess(pid, WORKER_STATE_DIR, 'SIGKILL');
        return left;
      };
      await until('the end of every process', endThem, (left) => left.length === 0);
    },
    async killTmux() {
      const { code, stdout } = await run(['tmux', 'display-message', '-p', '#{pid}'], layout.home);
      if (code === 0) signalProcess(Number(stdout), WORKER_STATE_DIR, 'SIGKILL');
    },
  };
}

/** Adds a setting of the stand-ins to a worker, before the others: the first of a name counts. */
export function setStandin({ layout }: TestWorker, line: string): void {
  const file = join(layout.home, '.factory-standin');
  writeFileSync(file, `${line}\n${readText(file)}`);
}

function makeOrigin(origin: string, pipeline: string): void {
  const work = `${origin}.work`;
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'pipeline.yaml'), pipeline);
  writeFileSync(join(work, '.gitignore'), '.claude/\nworktrees/\n');
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { cwd: work, stdio: 'pipe' });
  git('init', '--quiet', '--initial-branch=main');
  git('add', '--all');
  git('commit', '--quiet', '--message', 'demo');
  git('clone', '--quiet', '--bare', '.', origin);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** For `afterEach`: no process, no socket and no folder of a test's workers is left. */
export async function removeWorkers(): Promise<void> {
  for (const dir of made.splice(0)) await stopLocalWorker(dir);
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
}

/** Process ids of the worker's supervisors; one, when all is well. */
export function supervisorsOf({ layout }: TestWorker): number[] {
  const pids = processesOf(layout.dirs.WORKER_STATE_DIR)
    .filter(({ argv }) => /\/supervisor(\/main\.ts|\.js)$/.test(argv.at(-2) ?? ''))
    .map(({ pid }) => pid);
  return withoutForks(pids);
}

/** For `until`: the issue's row is completed. */
export const completed = (worker: TestWorker, issue: number) => async () =>
  (await worker.rows()).find((row) => row.issue === issue)?.status === 'completed';

/** For `until`: an agent has begun with a stage. */
export const atWork = (worker: TestWorker) => async () =>
  (await worker.pipelines()).some(
    ({ status, sessionState }) => status === 'in_progress' && sessionState === 'active',
  );
