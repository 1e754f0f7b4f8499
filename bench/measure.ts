/** Two programs, run in turns. Only their ratio is worth keeping: absolute times belong to one machine at one moment. */
import { spawnSync } from 'node:child_process';

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

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
