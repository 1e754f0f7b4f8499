/**
 * The comparisons, and how much slower than "bare" each command may be. "Bare" is what a person would type instead of the
 * command, without a program around it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../scripts/lib/cli/version.ts';
import { newNonce } from '../scripts/lib/transport/frame.ts';
import { scriptArgv } from '../scripts/lib/transport/scripts.ts';
import { type Comparison, compare, cpuOfScript, cpuPerLine, median, run, type Side } from './measure.ts';
import { type ClusterPlace, FLEET_NAMES, type LocalPlace, makeFleet, PROGRAM, serveFleet } from './place.ts';

export interface Result {
  readonly name: string;
  /** What it is compared with. */
  readonly what: string;
  readonly measured: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: '×' | 'ms' | 'MB' | 'KiB';
}

/** Node doing nothing. */
const nothing: Side = { argv: () => [process.execPath, '-e', '0'], env: process.env };

/** What `list` needs to know about a worker, as a person would ask for it: one shell, each question once. */
const LOOK = `
tmux list-windows -a -F '#{session_name} #{window_activity} #{session_attached}'
cat "$WORKER_RUN_DIR/boot.json" "$WORKER_RUN_DIR/heartbeat.json" "$WORKER_STATE_DIR/drain"
for lock in boot.lock locks/check-in; do
  if [ -e "$WORKER_STATE_DIR/$lock" ]; then flock --shared --nonblock "$WORKER_STATE_DIR/$lock" true; fi
done
for clone in "$WORKER_REPOS_DIR"/*/.git; do git -C "$clone" config --get remote.origin.url; done
factory queue list --format json
cd "$WORKER_REPOS_DIR"/* && factory status --format json
`;

/** Adds an issue to the queue with the same care: under the lock, checking before and after. */
const ADD = `
cd "$WORKER_REPOS_DIR/demo"
mkdir -p "$WORKER_STATE_DIR/locks"
exec flock "$WORKER_STATE_DIR/locks/queue" bash -c '
  factory queue list --format json
  factory queue add "$1" --intent "Users can log in"
  factory queue list --format json' add "$1"
`;

export function help(): Result {
  const ours: Side = { argv: () => [PROGRAM, '--help'], env: process.env };
  return asRatio(
    { name: '`factory-worker --help`', what: '`node -e 0`', limit: 1.5 },
    compare(nothing, ours, 40),
  );
}

export function list({ env, workerEnv }: LocalPlace): Result {
  const ours: Side = { argv: () => [PROGRAM, 'list'], env };
  const bare: Side = { argv: () => ['bash', '-c', LOOK], env: workerEnv };
  return asRatio(
    {
      name: '`list`, one local worker',
      what: 'its questions as shell commands in the worker: tmux, JSON files, locks, `git config`, `factory queue list`, `factory status`',
      limit: 2,
    },
    compare(bare, ours, 40),
  );
}

/** The same through a real API server and kubelet, where `list` makes two calls (`get pods`, `exec`) and bare makes one. */
export function listInCluster(place: ClusterPlace, connection: Connection = 'own'): Result {
  const ours: Side = { argv: () => [PROGRAM, 'list'], env: envOf(place, connection) };
  const bare: Side = { argv: () => [...place.exec, '--', 'bash', '-c', LOOK], env: place.env };
  return asRatio(
    {
      name: `\`list\`, one worker in a cluster${named(connection)}`,
      what: 'the same questions by one bare `kubectl exec` into a pod that is known',
      limit: connection === 'kept' ? 0.8 : 1.3,
    },
    compare(bare, ours, 20),
  );
}

/** A connection of the command's own, or one that an earlier command has left. */
type Connection = 'own' | 'kept';

const envOf = ({ env, keptEnv }: ClusterPlace, connection: Connection) =>
  connection === 'kept' ? keptEnv : env;

const named = (connection: Connection) => (connection === 'kept' ? ', connection kept' : '');

const issueOf = (round: number) => String(100 + round);

const dispatchOf = (worker: string) => (round: number) => [
  PROGRAM,
  ...['dispatch', worker, '--project', 'demo', '--issue', issueOf(round)],
  ...['--intent', 'Users can log in'],
];

export function dispatch({ env, workerEnv, clone }: LocalPlace): Result {
  const ours: Side = { argv: dispatchOf('bench'), env };
  const bare: Side = { argv: (round) => ['bash', '-c', ADD, 'add', issueOf(round)], env: workerEnv };
  const clear: Side = { argv: () => ['factory', 'queue', 'clear', '--confirm'], env: workerEnv, cwd: clone };
  return asRatio(
    {
      name: '`dispatch --intent`, one issue, local worker',
      what: '`flock` around `factory queue list`, `queue add`, `queue list` in the worker',
      limit: 1.5,
    },
    compare(bare, ours, 30, () => run(clear)),
  );
}

/** The same by `kubectl exec`; `dispatch` needs one call more than bare: `get pods`. */
export function dispatchInCluster(place: ClusterPlace, connection: Connection = 'own'): Result {
  const { env, exec } = place;
  const bash = (text: string, ...args: string[]) => [...exec, '--', 'bash', '-c', text, ...args];
  const ours: Side = { argv: dispatchOf('worker-1'), env: envOf(place, connection) };
  const bare: Side = { argv: (round) => bash(ADD, 'add', issueOf(round)), env };
  const clear: Side = {
    argv: () => bash('cd "$WORKER_REPOS_DIR/demo" && factory queue clear --confirm'),
    env,
  };
  return asRatio(
    {
      name: `\`dispatch --intent\`, one issue, worker in a cluster${named(connection)}`,
      what: 'the same by one bare `kubectl exec` into a pod that is known',
      limit: connection === 'kept' ? 1 : 1.4,
    },
    compare(bare, ours, 20, () => run(clear)),
  );
}

/** TAB on the name of a session, with a connection that an earlier command has left. */
export function completion({ keptEnv: env }: ClusterPlace): Result {
  const words = ['factory-worker', 'peek', 'worker-1', '--session', ''];
  const tab: Side = { argv: () => [PROGRAM, 'complete', 'fish', '--', ...words], env };
  const times = Array.from({ length: 21 }, () => run(tab)).slice(1);
  return {
    name: 'TAB on the name of a session, worker in a cluster, connection kept',
    what: 'from the key to the candidates',
    measured: `${times.length} rounds`,
    value: median(times),
    limit: 150,
    unit: 'ms',
  };
}

/** Workers that do not answer must cost one time-out, no matter how many there are. */
export function silence(place: LocalPlace): Result {
  const silent = ['silent-1', 'silent-2', 'silent-3', 'silent-4', 'silent-5'];
  const lively = Array.from({ length: 15 }, (_, index) => `worker-${index + 1}`);
  const list = (names: readonly string[], code: number): Side => ({
    argv: () => [PROGRAM, 'list', '--timeout', '1s'],
    env: makeFleet(place, names).env,
    code,
  });
  return asRatio(
    {
      name: '`list`, 20 workers of which 5 never answer',
      what: '`list` of one that never answers: one time-out',
      limit: 1.25,
    },
    compare(list(['silent-1'], 1), list([...silent, ...lively], 3), 3),
  );
}

/**
 * What watching costs, with the kubectl that the command keeps. What it is compared with does less: it says nothing of the
 * workers.
 *
 * @returns null where there is no kubectl
 */
export async function watchRound(place: LocalPlace): Promise<Result | null> {
  const fleet = await serveFleet(place, FLEET_NAMES);
  if (fleet === null) return null;
  const { env } = fleet;
  const ours = watching(env);
  const bare = `"$KUBECTL" get pods --output=name
    ${eachOf(FLEET_NAMES, '"$KUBECTL" exec {} --container=worker -- true')}`;
  try {
    const pairs: { readonly oursMs: number; readonly bareMs: number }[] = [];
    for (let pair = 0; pair < 5; pair++)
      pairs.push({ bareMs: cpuOfScript(bare, env), oursMs: await cpuPerLine(ours, 20) });
    const oursMs = median(pairs.map(({ oursMs }) => oursMs));
    const bareMs = median(pairs.map(({ bareMs }) => bareMs));
    return {
      name: 'a round of `list --watch`, 50 workers',
      what: 'processor time of `kubectl get pods` and 50 bare `kubectl exec` of `true`; the API server answers at once',
      measured: `${Math.round(oursMs)} ms against ${Math.round(bareMs)} ms, 5 × 20 rounds, kubectl's own included`,
      value: median(pairs.map((pair) => pair.oursMs / pair.bareMs)),
      limit: 0.02,
      unit: '×',
    };
  } finally {
    fleet.stop();
  }
}

/** A command that looks at the workers again and again, a line each time. */
const watching = (env: Side['env']): Side => ({
  argv: () => [PROGRAM, 'list', '--watch', '--interval', '200ms', '-o', 'json'],
  env,
});

/** Runs a command line for each of the words, eight at once. */
const eachOf = (words: readonly string[], line: string) =>
  `printf '%s\\n' ${words.join(' ')} | xargs -P8 -I{} ${line}`;

/** What a person would type to hear from each pod of a fleet that it can be entered; `list` also looks around in each. */
const enterEach = ({ exec }: ClusterPlace) => {
  const get = exec.slice(0, exec.indexOf('exec'));
  return `${get.join(' ')} get pods --output=name
    ${eachOf(FLEET_NAMES, `${exec.join(' ')} -- true`)}`;
};

/** The same worker under fifty names: each is looked up and entered. */
export function listFleet(place: ClusterPlace): Result {
  const ours: Side = { argv: () => [PROGRAM, 'list'], env: place.fleetEnv };
  const bare: Side = { argv: () => ['bash', '-c', enterEach(place)], env: place.env };
  return asRatio(
    {
      name: '`list`, 50 workers in a cluster',
      what: '`kubectl get pods`, and 50 bare `kubectl exec` of `true`, 8 at once',
      limit: 0.35,
    },
    compare(bare, ours, 5),
  );
}

export async function cpuOfFleet(place: ClusterPlace): Promise<Result> {
  const pairs: { readonly oursMs: number; readonly bareMs: number }[] = [];
  for (let pair = 0; pair < 5; pair++) {
    const bareMs = cpuOfScript(enterEach(place), place.env);
    pairs.push({ bareMs, oursMs: await cpuPerLine(watching(place.fleetEnv), 1, 0) });
  }
  const oursMs = median(pairs.map((pair) => pair.oursMs));
  const bareMs = median(pairs.map((pair) => pair.bareMs));
  return {
    name: '`list`, 50 workers in a cluster: processor time on the laptop',
    what: 'the same, kubectl included on both sides',
    measured: `${Math.round(oursMs)} ms against ${Math.round(bareMs)} ms, ${pairs.length} rounds`,
    value: median(pairs.map((pair) => pair.oursMs / pair.bareMs)),
    limit: 0.15,
    unit: '×',
  };
}

/** @returns null where there is no kubectl */
export async function memory(place: LocalPlace): Promise<Result | null> {
  const names = Array.from({ length: 500 }, (_, index) => `worker-${index + 1}`);
  const fleet = await serveFleet(place, names, 10);
  if (fleet === null) return null;
  const file = join(place.dir, 'peak-memory');
  const watch = join(import.meta.dirname, 'peak-memory.mjs');
  const ms = run({
    argv: () => [process.execPath, '--import', watch, PROGRAM, 'list'],
    env: { ...fleet.env, PEAK_MEMORY_FILE: file },
  });
  fleet.stop();
  return {
    name: '`list`, 500 workers in ten contexts',
    what: 'largest resident memory of the command itself',
    measured: `${(ms / 1000).toFixed(1)} s`,
    value: (Number(readFileSync(file, 'utf8')) * 1024) / 1e6,
    limit: 250,
    unit: 'MB',
  };
}

/** A script is sent in the URL of the exec request. */
export function scriptSize(): Result {
  const folder = join(packageRoot(), 'scripts', 'remote');
  const sizes = readdirSync(folder)
    .map((file) => file.replace(/\.sh$/, ''))
    .map((script) => {
      const call = { script, args: [], timeoutMs: 30_000, signal: AbortSignal.timeout(1) };
      return {
        script,
        bytes: scriptArgv(call, newNonce()).reduce((sum, word) => sum + Buffer.byteLength(word), 0),
      };
    })
    .sort((a, b) => b.bytes - a.bytes);
  const [largest = { script: 'none', bytes: Number.NaN }] = sizes;
  return {
    name: `largest remote script, \`${largest.script}.sh\``,
    what: 'its bytes with everything put before it, without arguments',
    measured: `${sizes.length} scripts`,
    value: largest.bytes / 1024,
    limit: 64,
    unit: 'KiB',
  };
}

/** The row of a comparison: the ratio of the times, ours to bare. */
function asRatio(
  about: Pick<Result, 'name' | 'what' | 'limit'>,
  { ratio, oursMs, bareMs, rounds }: Comparison,
): Result {
  const measured = `${Math.round(oursMs)} ms against ${Math.round(bareMs)} ms, ${rounds} rounds`;
  return { ...about, measured, value: ratio, unit: '×' };
}
