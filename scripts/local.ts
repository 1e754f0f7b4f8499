/** `local`: workers on this machine: the image's supervisor with tmux and factory's own store, without root, Docker or a cluster. */
import { join, resolve } from 'node:path';
import { chooseAction, refuseMisplaced } from './lib/cli/action.ts';
import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { count, didYouMean } from './lib/cli/text.ts';
import { parseDuration, waitLimit } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { expandHome, homeOf, shortPath } from './lib/config/paths.ts';
import { replaceFile } from './lib/config/replace-file.ts';
import { userAtHost } from './lib/config/user.ts';
import type { LocalWorker, WorkerEntry } from './lib/config/worker-entry.ts';
import { readWorkersText, readWorkersToEdit, workersPath } from './lib/config/workers-file.ts';
import { type BootPhase, DEFAULT_SETTINGS, type Project } from './lib/contract.ts';
import { projectName } from './lib/factory.ts';
import { endLocalWorker } from './lib/lifecycle/stop-local.ts';
import { giveDatabaseUrl } from './lib/local/database-url.ts';
import { workerPath } from './lib/local/environment.ts';
import { localLayout } from './lib/local/layout.ts';
import { prepareLocalWorker, readLocalWorker } from './lib/local/prepare.ts';
import { assertPrograms } from './lib/local/programs.ts';
import { startLocalWorker } from './lib/local/start.ts';
import { localWorkerState } from './lib/local/state.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;
const ACTIONS = ['up', 'down', 'status'] as const;
type Action = (typeof ACTIONS)[number];

/** Flags that belong to one action only. */
const ONLY_FOR: Readonly<Record<string, Action>> = {
  home: 'up',
  bin: 'up',
  project: 'up',
  interval: 'up',
  wait: 'down',
  'wait-timeout': 'down',
};

/** How long `down --wait` waits for a running stage: as long as `stop`. */
const DEFAULT_WAIT = '45m';

const FLAGS = {
  home: {
    type: 'string',
    value: 'DIR',
    description: 'up: folder of a new worker; default: ~/.factory/local/NAME',
  },
  bin: {
    type: 'list',
    value: 'DIR',
    description: "up: folder with factory, claude or gh, before the others on the worker's PATH",
  },
  project: {
    type: 'list',
    short: 'p',
    value: 'REPO',
    description: 'up: repository to clone: owner/name, a URL or a path, or NAME=REPO',
  },
  interval: { type: 'string', value: 'DURATION', description: 'up: time between two check-ins' },
  wait: {
    type: 'boolean',
    description:
      'down: wait for a running stage; without it the stage is interrupted, and the next start resumes it',
  },
  'wait-timeout': {
    type: 'string',
    value: 'DURATION',
    formerly: 'wait',
    description: `down: wait, and leave the worker running when its stage takes longer (124); default: ${DEFAULT_WAIT}`,
  },
  ...OUTPUT_FLAGS(FORMATS),
  workers: WORKER_FLAGS.workers,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const local = defineCommand({
  name: 'local',
  summary: SUMMARIES.local,
  description: `local up NAME creates the worker if it is new, adds it to workers.yaml, and starts it. Running it again is harmless.
local down NAME stops it and leaves no process; queue, clones and unfinished work stay for the next start.
All files of a worker are in its own folder, including a private HOME; programs come from PATH and --bin.
A PostgreSQL build of factory gets a server of its own, or DATABASE_URL where that is set.
Nothing confines it: its agents run as you, and can read and change whatever you can (SSH keys, kubeconfigs, cloud logins).
For issues that strangers may write, use a worker in a cluster or a separate machine.`,
  positionals: [
    { name: 'up|down|status', required: true },
    { name: 'NAME', required: false },
  ],
  flags: FLAGS,
  examples: [
    ['up laptop --project lucasnoah/deathcookies', 'a worker with the programs on PATH'],
    ['up try --bin examples/bin', 'one with the stand-ins for factory, claude and gh'],
    ['down laptop --wait', 'stop after the stage that runs now'],
    ['status', 'all workers on this machine'],
  ],
  async run({ flags, positionals: [word = '', name] }, context) {
    const action = chooseAction('local', ACTIONS, word);
    refuseMisplaced('local', action, ONLY_FOR, flags);
    const format = outputFormat(flags, FORMATS);
    const path = workersPath(context.env, flags.workers);
    const known = await localWorkers(path, context);
    if (action === 'status') return status(known, name, path, format, context);
    if (name === undefined)
      throw new UsageError(`NAME is missing: which worker to ${action === 'up' ? 'start' : 'stop'}?`);
    return action === 'up'
      ? up(name, path, known, flags, context)
      : down(chooseLocal(known, name, path), flags, context);
  },
});

/** All entries of workers.yaml; none when the file does not exist yet. */
async function localWorkers(path: string, { env }: Context): Promise<readonly WorkerEntry[]> {
  const text = await readWorkersText(path, env);
  if (text === null) return [];
  const { parseWorkers } = await import('./lib/config/parse-workers.ts');
  return parseWorkers(path, text, homeOf(env)).workers;
}

function chooseLocal(known: readonly WorkerEntry[], name: string, path: string): LocalWorker {
  const worker = known.find((entry) => entry.name === name);
  if (worker?.runtime === 'local') return worker;
  const names = known.filter(({ runtime }) => runtime === 'local').map((entry) => entry.name);
  if (worker !== undefined) throw new UsageError(`${name} runs in a cluster, not on this machine`);
  const hint = didYouMean(name, names);
  throw new UsageError(
    `no local worker "${name}" in ${path}`,
    ...(hint === null ? [] : [hint]),
    names.length === 0 ? 'there are none yet' : `local workers: ${names.join(', ')}`,
  );
}

async function up(
  name: string,
  workersFile: string,
  known: readonly WorkerEntry[],
  flags: FlagInput,
  context: Context,
): Promise<number> {
  const { env, exec, stdout, stderr, commandLine } = context;
  const entered = known.find((entry) => entry.name === name);
  const worker =
    entered === undefined ? newWorker(name, flags.home, env) : chooseLocal(known, name, workersFile);
  if (entered !== undefined && flags.home !== undefined && resolveHome(flags.home, env) !== worker.home) {
    throw new CliError(`${name} already has a folder: ${worker.home}`, {
      hints: [`for another folder use another name, or first: ${commandLine('workers', 'remove', name)}`],
    });
  }
  const callerEnv = callerEnvOf(worker, flags, env);
  const binDirs = flags.bin.map((dir) => resolveHome(dir, env));
  const path = workerPath(binDirs, callerEnv['PATH'] ?? '');
  if (!(await localWorkerState(worker.home, exec)).running) {
    assertPrograms(name, path, commandLine);
  } else if (flags.bin.length > 0 && path !== existingPath(worker)) {
    throw new CliError(
      `${name} is running, and its PATH changes only when it starts: --bin has no effect now`,
      {
        hints: [
          `stop it first: ${commandLine('local', 'down', name)}`,
          `then: ${commandLine('local', 'up', name, ...flags.bin.flatMap((dir) => ['--bin', dir]))}`,
        ],
      },
    );
  }
  prepare(worker, flags, binDirs, callerEnv, context);
  if (entered === undefined) {
    const { addWorker } = await import('./lib/config/edit.ts');
    const text = await readWorkersToEdit(workersFile, env);
    await replaceFile(workersFile, text, addWorker(text ?? 'workers: []\n', worker));
    stderr.write(`${name} added to ${shortPath(workersFile, homeOf(env))}\n`);
  }
  const result = await startLocalWorker(worker.home, {
    exec,
    onPhase: (phase) => stderr.write(phaseLine(phase)),
  });
  switch (result.outcome) {
    case 'already-running':
      stdout.write(`${name} is running already\n`);
      return ExitCode.ok;
    case 'started':
      stdout.write(`${name} is running; its folder is ${worker.home}\n`);
      return ExitCode.ok;
    case 'failed':
      throw new CliError(`${name} did not start: ${result.message}`, {
        hints: [`its log: ${localLayout(worker.home).log}`],
      });
    case 'timeout':
      throw new CliError(`${name} is not up yet: ${result.message}`, {
        exitCode: ExitCode.timeout,
        hints: [`it is still starting; check: ${commandLine('status', name)}`],
      });
  }
}

function newWorker(name: string, home: string | undefined, env: NodeJS.ProcessEnv): LocalWorker {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
    throw new UsageError(`a worker's name has lower-case letters, digits and "-"; not "${name}"`);
  }
  return {
    runtime: 'local',
    name,
    home: home ? resolveHome(home, env) : join(homeOf(env), '.factory', 'local', name),
  };
}

function resolveHome(home: string, env: NodeJS.ProcessEnv): string {
  return resolve(expandHome(home, homeOf(env)));
}

/** Creates the folder, or updates what the flags give; everything else stays. */
function prepare(
  worker: LocalWorker,
  flags: FlagInput,
  binDirs: readonly string[],
  callerEnv: NodeJS.ProcessEnv,
  { env, stderr }: Context,
): void {
  const layout = prepareLocalWorker({
    dir: worker.home,
    name: worker.name,
    binDirs,
    ...(flags.project.length === 0
      ? {}
      : { projects: flags.project.map((text) => parseProjectFlag(text, env)) }),
    ...(flags.interval === undefined
      ? {}
      : {
          settings: {
            ...DEFAULT_SETTINGS,
            orchestrator: {
              enabled: true,
              intervalSeconds: Math.max(1, Math.round(parseDuration(flags.interval, '--interval') / 1000)),
            },
          },
        }),
    callerEnv,
  });
  const urlFile = giveDatabaseUrl(layout, existingPath(worker) ?? '', env['DATABASE_URL']);
  if (urlFile !== null)
    stderr.write(
      `${worker.name} uses your DATABASE_URL; for a database of its own, remove ${urlFile} and unset it\n`,
    );
}

/** The environment for the worker: it keeps the PATH that it has, unless --bin gives another. */
function callerEnvOf(worker: LocalWorker, flags: FlagInput, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const path = existingPath(worker);
  return path === null || flags.bin.length > 0 ? env : { ...env, PATH: path };
}

/** The PATH that the worker was created with. */
function existingPath({ home }: LocalWorker): string | null {
  try {
    // Its own agents could have written the file.
    const path: unknown = readLocalWorker(home).env['PATH'];
    return typeof path === 'string' ? path : null;
  } catch {
    return null;
  }
}

/** `NAME=REPO`, or `REPO`, whose last part becomes the name. A path is relative to the current folder. */
function parseProjectFlag(text: string, env: NodeJS.ProcessEnv): Project {
  const [, name, repo = ''] = /^(?:([\w.-]+)=)?(.+)$/.exec(text) ?? [];
  const isPath = /^[.~/]/.test(repo);
  return {
    name: name ?? projectName(repo),
    repo: isPath ? resolveHome(repo, env) : repo,
    branch: null,
    config: 'pipeline.yaml',
  };
}

/** How long the worker may take to answer when it is stopped. */
const ANSWER_MS = 10_000;

async function down(worker: LocalWorker, flags: FlagInput, context: Context): Promise<number> {
  const { stdout, stderr, commandLine } = context;
  const { wasRunning, swept } = await endLocalWorker(
    worker,
    {
      reason: `stopped by ${userAtHost()}`,
      waitMs: waitLimit(flags, DEFAULT_WAIT) ?? 0,
      timeoutMs: ANSWER_MS,
      say: (message) => stderr.write(`${worker.name}: ${message}\n`),
      hints: [
        `wait longer: ${commandLine('local', 'down', worker.name, '--wait', '--wait-timeout', '2h')}`,
        `interrupt it: ${commandLine('local', 'down', worker.name)}`,
      ],
    },
    context,
  );
  const left = swept === 0 ? '' : `; ${count(swept, 'process', 'processes')} had to be ended`;
  stdout.write(`${worker.name} ${wasRunning || swept > 0 ? 'is stopped' : 'was not running'}${left}\n`);
  return ExitCode.ok;
}

async function status(
  known: readonly WorkerEntry[],
  name: string | undefined,
  path: string,
  format: (typeof FORMATS)[number],
  { exec, stdout, stderr, commandLine }: Context,
): Promise<number> {
  const shown =
    name === undefined
      ? known.filter((entry) => entry.runtime === 'local')
      : [chooseLocal(known, name, path)];
  const states = await Promise.all(
    shown.map(async (worker) => ({ ...worker, ...(await localWorkerState(worker.home, exec)) })),
  );
  if (format === 'json') {
    stdout.write(renderJson(states));
    return ExitCode.ok;
  }
  if (states.length === 0)
    stderr.write(`no local workers; create one: ${commandLine('local', 'up', 'NAME')}\n`);
  for (const { name: shownName, home, running, processes, boot } of states) {
    const left = running || processes === 0 ? '' : `, ${processes} of its processes are left`;
    stdout.write(`${shownName}: ${running ? 'running' : 'stopped'}${left} (${home})\n`);
    if (running) stdout.write((boot?.phases ?? []).map(phaseLine).join(''));
  }
  return ExitCode.ok;
}

function phaseLine({ name, status: result, ms, message }: BootPhase): string {
  const time = result === 'running' ? '' : ` ${(ms / 1000).toFixed(1)}s`;
  return `  ${name.padEnd(14)}${result}${time}${message === '' ? '' : `  ${message}`}\n`;
}

await runIfMain(import.meta.url, local);
