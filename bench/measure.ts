/** Two programs, run in turns. Only their ratio is worth keeping: absolute times belong to one machine at one moment. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { processesWith } from '../test/support/processes.ts';

export interface Side {
  /** @param round counts from 0; a program that changes something may need a different argument each time */
  readonly argv: (round: number) => readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** The exit code of a successful run; 0 by default. */
  readonly code?: number;
}

export interface Comparison {
  readonly rounds: number;
  /** Median wall times, in milliseconds. */
  readonly bareMs: number;
  readonly oursMs: number;
  /** Median of the ratios of each round: load on the machine affects both sides of a round. */
  readonly ratio: number;
}

/**
 * Runs bare and ours in turns, the order changing from round to round, after one round to warm up.
 *
 * @param between the preparation before each run; not timed
 * @throws Error when a run ends with an unexpected exit code: a failure must not count as a fast run
 */
export function compare(bare: Side, ours: Side, rounds: number, between: () => void = () => {}): Comparison {
  const timed = (side: Side, round: number) => {
    between();
    return run(side, round);
  };
  timed(bare, 0);
  timed(ours, 0);
  const pairs = Array.from({ length: rounds }, (_, index) => {
    const round = index + 1;
    if (round % 2 === 0) {
      const oursMs = timed(ours, round);
      return { bareMs: timed(bare, round), oursMs };
    }
    return { bareMs: timed(bare, round), oursMs: timed(ours, round) };
  });
  return {
    rounds,
    bareMs: median(pairs.map(({ bareMs }) => bareMs)),
    oursMs: median(pairs.map(({ oursMs }) => oursMs)),
    ratio: median(pairs.map(({ bareMs, oursMs }) => oursMs / bareMs)),
  };
}

/** @returns wall time in milliseconds */
export function run({ argv, env, cwd, code = 0 }: Side, round = 0): number {
  const [program = '', ...args] = argv(round);
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(program, args, {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
    encoding: 'utf8',
  });
  const ms = performance.now() - started;
  if (status !== code) {
    throw new Error(`${program} ${args.join(' ')}\nended with ${status}, not ${code}\n${stdout}${stderr}`);
  }
  return ms;
}

/**
 * The processor time of a program and of all that it has started, for each line that it prints: a program that looks again and
 * again prints one each time.
 *
 * @param lines that are measured
 * @param warmUp lines before those; without any, the start counts as well
 * @returns milliseconds; the system counts in steps of ten for each process
 */
export async function cpuPerLine(
  { argv, env, cwd }: Side,
  lines: number,
  warmUp = WARM_UP_LINES,
): Promise<number> {
  const [program = '', ...args] = argv(0);
  const mark = `BENCH_RUN=${process.pid}-${performance.now()}`;
  const child = spawn(program, args, {
    env: { ...env, BENCH_RUN: mark.slice('BENCH_RUN='.length) },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const all = () => processesWith(mark).reduce((sum, pid) => sum + cpuOf(pid), 0);
  const reader = createInterface(child.stdout)[Symbol.asyncIterator]();
  const read = async (count: number) => {
    for (let line = 0; line < count; line++)
      if ((await reader.next()).done) throw new Error(`${program} ${args.join(' ')} has ended`);
  };
  try {
    await read(warmUp);
    const before = warmUp === 0 ? 0 : all();
    await read(lines);
    return (all() - before) / lines;
  } finally {
    child.kill('SIGINT');
    await new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve(null)));
  }
}

const WARM_UP_LINES = 3;

/** Milliseconds of processor that a process has used so far. */
function cpuOf(pid: number): number {
  // After the name in parentheses, which may have any character: the twelfth and thirteenth are user and system time.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** On every Linux of today (`getconf CLK_TCK` is 100). */
const TICK_MS = 10;

/** The processor time of a shell script's programs, in milliseconds; it has to wait for them. */
export function cpuOfScript(script: string, env: Side['env']): number {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `{ ${script}\n} >/dev/null || exit; times`], {
    env,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${script}\nended with ${status}\n${stderr}`);
  // The second line is that of the programs: `0m0.518s 0m0.191s`.
  const times = stdout.split('\n')[1]?.matchAll(/(\d+)m([\d.]+)s/g) ?? [];
  return [...times].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1_000,
    0,
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
