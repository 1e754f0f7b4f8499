/** A person at a laptop: a workers.yaml, a HOME of their own, and the real commands. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTEXT, KUBECONFIG, KUBECTL, ROOT, SCRATCH } from './cluster.ts';
import { HELM } from './install.ts';
import type { TestWorker } from './worker.ts';

/** As `make build` leaves it. */
const PROGRAM = join(ROOT, 'dist', 'factory-worker.js');

/** Whether the commands start a kubectl for each request, and keep no connection. */
export const BY_KUBECTL = process.env['FACTORY_WORKER_TRANSPORT'] === 'kubectl';

/** How a command ended. */
export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** A command that has been started. */
export interface Running {
  readonly child: ChildProcess;
  readonly answer: Promise<Answer>;
  /** What it has printed so far, both streams. */
  output(): string;
}

/** The row of one worker in `list -o json`. */
export interface ListRow {
  readonly name: string;
  readonly status: string;
  readonly problems: readonly {
    readonly id: string;
    readonly cause: string;
    readonly next: readonly string[];
  }[];
  readonly sessions: readonly string[] | null;
  readonly queue:
    | readonly { readonly project: string | null; readonly issue: number; readonly status: string }[]
    | null;
}

interface Laptop {
  /** Distinguishes laptops. */
  readonly laptop?: string;
  /** Added to the environment of the commands. */
  readonly env?: NodeJS.ProcessEnv;
  /** How many seconds its clock is ahead. */
  readonly clockAhead?: number;
}

/** What the entries of a workers.yaml say besides. */
interface Entry {
  readonly kubeconfig?: string;
  readonly keepConnection?: string;
}

export class Operator {
  /** Their workers.yaml. */
  readonly file: string;
  /** The whole environment of their shell: no cluster but the one in workers.yaml. */
  readonly env: NodeJS.ProcessEnv;
  readonly #node: readonly string[];

  constructor(file: string, { laptop = 'laptop', env = {}, clockAhead = 0 }: Laptop = {}) {
    this.file = file;
    this.env = {
      PATH: process.env['PATH'],
      HOME: homeOf(laptop),
      KUBECTL,
      HELM,
      KUBECONFIG: '/nonexistent',
      TERM: 'xterm-256color',
      NO_COLOR: '1',
      GOGC: process.env['GOGC'],
      GOMEMLIMIT: process.env['GOMEMLIMIT'],
      FACTORY_WORKER_TRANSPORT: process.env['FACTORY_WORKER_TRANSPORT'],
      ...env,
    };
    this.#node = clockAhead === 0 ? [] : ['--import', skew(clockAhead)];
  }

  /** An operator of some workers. @param kubeconfig instead of the administrator's */
  static of(
    workers: readonly TestWorker[],
    { kubeconfig = KUBECONFIG, keepConnection, ...laptop }: Laptop & Entry = {},
  ): Operator {
    const entries = workers.map((worker) => ({ ...worker, context: CONTEXT, kubeconfig, keepConnection }));
    const file = join(homeOf(laptop.laptop), `workers-${crypto.randomUUID().slice(0, 8)}.yaml`);
    writeFileSync(file, JSON.stringify({ workers: entries }));
    return new Operator(file, laptop);
  }

  /** The words that start a command of the program as it is installed: a third of the processor that tsx takes. */
  argv(name: string, ...args: string[]): [string, ...string[]] {
    return [process.execPath, ...this.#node, PROGRAM, name, '--workers', this.file, ...args];
  }

  /** Starts a command, with nothing on its stdin. */
  start(name: string, ...args: string[]): Running {
    const [program, ...rest] = this.argv(name, ...args);
    const started = Date.now();
    const child = spawn(program, rest, { cwd: ROOT, env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    const answer = new Promise<Answer>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) =>
        resolve({ code: code ?? -1, stdout, stderr, seconds: (Date.now() - started) / 1000 }),
      );
    });
    return { child, answer, output: () => stdout + stderr };
  }

  /** Types a command and waits for its end. */
  type(name: string, ...args: string[]): Promise<Answer> {
    return this.start(name, ...args).answer;
  }

  list(...flags: string[]): Promise<Answer> {
    return this.type('list', ...flags);
  }

  status({ name }: TestWorker, ...flags: string[]): Promise<Answer> {
    return this.type('status', name, ...flags);
  }

  /** `dispatch` of an issue of the demo project, to its end. */
  dispatch(worker: TestWorker, issue: number | string, ...flags: string[]): Promise<Answer> {
    return this.startDispatch(worker, issue, ...flags).answer;
  }

  startDispatch({ name }: TestWorker, issue: number | string, ...flags: string[]): Running {
    return this.start('dispatch', name, '-p', 'demo', '-i', String(issue), '--intent', 'x', ...flags);
  }

  /** What `list -o json` says of one worker. @returns its row, with the exit code */
  async row(worker: TestWorker, ...flags: string[]): Promise<ListRow & { readonly code: number }> {
    const { code, stdout, stderr } = await this.list('-o', 'json', ...flags);
    const rows = JSON.parse(stdout || '[]') as unknown;
    const row = (Array.isArray(rows) ? (rows as ListRow[]) : []).find(({ name }) => name === worker.name);
    if (row === undefined) throw new Error(`list said nothing of ${worker.name}: ${stdout}${stderr}`);
    return { ...row, code };
  }
}

/** The HOME of a laptop. */
function homeOf(laptop = 'laptop'): string {
  const home = join(SCRATCH, laptop);
  mkdirSync(home, { recursive: true });
  return home;
}

/** A module that puts Node's clock ahead. */
function skew(seconds: number): string {
  const clock = `const D = Date; globalThis.Date = class extends D {
    constructor(...given) { if (given.length === 0) super(D.now() + ${seconds * 1000}); else super(...given); }
    static now() { return D.now() + ${seconds * 1000}; }
  };`;
  return `data:text/javascript,${encodeURIComponent(clock)}`;
}
