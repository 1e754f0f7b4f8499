/** `workers`: adds, removes and shows the entries of workers.yaml. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { chooseAction, refuseMisplaced } from './lib/cli/action.ts';
import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { renderJson, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { packageRoot } from './lib/cli/version.ts';
import { parseDuration } from './lib/config/duration.ts';
import { lineDiff } from './lib/config/edit.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { expandHome, homeOf, shortPath } from './lib/config/paths.ts';
import { replaceFile } from './lib/config/replace-file.ts';
import type { ClusterWorker, LocalWorker, WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorker, loadWorkers, readWorkersToEdit, workersPath } from './lib/config/workers-file.ts';
import { findWorker } from './lib/worker/find-worker.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json', 'yaml', 'name'] as const;

const ACTIONS = ['add', 'remove', 'show'] as const;
type Action = (typeof ACTIONS)[number];

/** Flags that belong to one action only. */
const ONLY_FOR: Readonly<Record<string, Action>> = {
  pod: 'add',
  container: 'add',
  runtime: 'add',
  home: 'add',
  context: 'add',
  namespace: 'add',
  kubeconfig: 'add',
  yes: 'remove',
};

const FLAGS = {
  pod: {
    type: 'string',
    value: 'NAME',
    description: 'add: name of its Deployment; default: from the release NAME',
  },
  container: {
    type: 'string',
    value: 'NAME',
    description: "add: container to work in; default: the pod's default container",
  },
  runtime: {
    type: 'string',
    value: 'WHERE',
    choices: ['kubernetes', 'local'],
    description: 'add: where the worker runs',
  },
  home: { type: 'string', value: 'DIR', description: 'add: folder of a worker with --runtime local' },
  'dry-run': { type: 'boolean', description: 'add, remove: show what would change, write nothing' },
  yes: { type: 'boolean', short: 'y', description: 'remove: do not ask' },
  ...OUTPUT_FLAGS(FORMATS),
  ...TABLE_FLAGS,
  ...WORKER_FLAGS,
  context: { ...WORKER_FLAGS.context, description: "add: kubectl context; default: kubectl's current one" },
  namespace: {
    ...WORKER_FLAGS.namespace,
    description: 'add: namespace of the release; default: search all',
  },
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const workers = defineCommand({
  name: 'workers',
  summary: SUMMARIES.workers,
  description: `workers add NAME finds the release NAME in the cluster, and adds its pod and namespace to workers.yaml.
workers remove NAME removes the entry from the file; nothing in the cluster is touched.
workers show [NAME] prints the entries. Comments and everything else in the file stay unchanged.`,
  positionals: [
    { name: 'add|remove|show', required: true },
    { name: 'NAME', required: false },
  ],
  flags: FLAGS,
  examples: [
    ['add worker-1 -n factory', 'the release worker-1 in namespace factory of the current context'],
    [
      'add worker-1 --pod factory-worker-1 -n factory --context do-nyc1-factory',
      'everything given: needs no cluster',
    ],
    ['add laptop --runtime local --home ~/.factory/local/laptop', 'a worker on this machine'],
    ['remove worker-1 --dry-run', 'what would change'],
    ['show -o yaml', 'all entries, as the commands read them'],
  ],
  async run({ flags, positionals }, context) {
    const action = chooseAction('workers', ACTIONS, positionals[0] ?? '');
    refuseMisplaced('workers', action, ONLY_FOR, flags);
    const name = positionals[1];
    if (action === 'show') return show(name, flags, context);
    if (name === undefined) throw new UsageError(`NAME is missing: which worker to ${action}?`);
    return action === 'add' ? add(name, flags, context) : remove(name, flags, context);
  },
});

async function show(name: string | undefined, flags: FlagInput, context: Context): Promise<number> {
  const format = outputFormat(flags, FORMATS);
  const file = await loadWorkers(context.env, onlyFile(flags), context.commandLine);
  const shown = name === undefined ? file.workers : [chooseWorker(file, name)];
  if (shown.length === 0 && format !== 'json') {
    const next = context.commandLine('workers', 'add', 'NAME');
    context.stderr.write(`no workers in ${file.path}; add one: ${next}\n`);
  }
  context.stdout.write(await render(shown, format, !flags['no-headers']));
  return ExitCode.ok;
}

async function add(name: string, flags: FlagInput, context: Context): Promise<number> {
  const { env } = context;
  const path = workersPath(env, flags.workers);
  const text = await readWorkersToEdit(path, env);
  const known = await parse(path, text ?? '', env);
  await checkGiven(name, flags);
  const worker =
    flags.runtime === 'local' ? localWorker(name, flags, context) : await clusterWorker(name, flags, context);
  const existing = known.find((entry) => entry.name === name);
  if (existing !== undefined && isDeepStrictEqual(existing, worker)) {
    return done('already in', worker, path, flags, context);
  }
  if (existing !== undefined) {
    throw new CliError(`${name} is in ${shortPath(path, homeOf(env))} already: ${describe(existing)}`, {
      hints: [
        `what would be added: ${describe(worker)}`,
        `to replace it: ${context.commandLine('workers', 'remove', name)}, then add it again`,
      ],
    });
  }
  const { addWorker } = await import('./lib/config/edit.ts');
  await write(path, text, addWorker(text ?? newFile(), worker), [...known, worker], flags, context);
  return done('added to', worker, path, flags, context);
}

async function remove(name: string, flags: FlagInput, context: Context): Promise<number> {
  const { env, stderr } = context;
  const file = await loadWorkers(env, onlyFile(flags), context.commandLine);
  const worker = chooseWorker(file, name);
  const path = workersPath(env, flags.workers);
  // Read before asking: an edit made during the question is noticed when the file is written.
  const text = (await readWorkersToEdit(path, env)) ?? '';
  if (!flags['dry-run']) {
    const question = `Remove ${name} (${describe(worker)}) from ${file.path}? The worker itself is not touched.`;
    if (!(await confirm(context, question, flags.yes))) {
      stderr.write('nothing was changed\n');
      return ExitCode.failed;
    }
  }
  const { removeWorker } = await import('./lib/config/edit.ts');
  const left = file.workers.filter((entry) => entry !== worker);
  await write(path, text, removeWorker(text, name), left, flags, context);
  if (!flags['dry-run']) {
    stderr.write(
      worker.runtime === 'local'
        ? `its folder ${worker.home} was not touched\n`
        : 'nothing in the cluster was touched: its release goes on\n',
    );
  }
  return done('removed from', worker, path, flags, context);
}

/** Writes the edited text after checking what it means; with --dry-run shows the change instead. */
async function write(
  path: string,
  before: string | null,
  after: string,
  expected: readonly WorkerEntry[],
  flags: FlagInput,
  { env, stdout, stderr }: Context,
): Promise<void> {
  const shown = shortPath(path, homeOf(env));
  const understood = await parse(path, after, env).catch(() => null);
  if (!isDeepStrictEqual(understood, expected)) {
    throw new CliError(`${shown} is written in a way that cannot be edited here; nothing was changed`, {
      hints: ['edit it by hand: other lines of it may refer to this entry'],
    });
  }
  if (!flags['dry-run']) return replaceFile(path, before, after);
  if (before === null) stderr.write(`${shown} would be created\n`);
  if (outputFormat(flags, FORMATS) === 'table') stdout.write(lineDiff(before ?? '', after));
}

/** Reports what was done, as text or in the requested format. */
async function done(
  action: 'added to' | 'already in' | 'removed from',
  worker: WorkerEntry,
  path: string,
  flags: FlagInput,
  { env, stdout, stderr, commandLine }: Context,
): Promise<number> {
  const format = outputFormat(flags, FORMATS);
  const dryRun = flags['dry-run'];
  if (format === 'json') {
    const [verb] = action.split(' ');
    stdout.write(renderJson({ action: verb, dryRun, file: path, worker }));
    return ExitCode.ok;
  }
  if (format !== 'table') {
    stdout.write(await render([worker], format, true));
    return ExitCode.ok;
  }
  if (dryRun && action !== 'already in') return ExitCode.ok;
  stdout.write(`${worker.name} ${action} ${shortPath(path, homeOf(env))}\n`);
  if (action !== 'removed from') {
    stderr.write(`${describe(worker)}\nlook at it: ${commandLine('status', worker.name)}\n`);
  }
  return ExitCode.ok;
}

async function render(
  shown: readonly WorkerEntry[],
  format: (typeof FORMATS)[number],
  headers: boolean,
): Promise<string> {
  if (format === 'json') return renderJson(shown);
  if (format === 'name') return shown.map(({ name }) => `${name}\n`).join('');
  if (format === 'yaml') return (await import('./lib/config/edit.ts')).renderWorkers(shown);
  const fields: Record<string, string>[] = shown.map((worker) => ({ ...worker }));
  const always = ['name', 'pod', 'namespace', 'context'];
  const sometimes = ['container', 'kubeconfig', 'home'].filter((key) =>
    fields.some((worker) => key in worker),
  );
  const columns = [...always, ...sometimes].map((key) => ({
    header: key.toUpperCase(),
    value: (worker: Record<string, string>) => worker[key] ?? (key === 'pod' ? '(local)' : '-'),
  }));
  return fields.length === 0 ? '' : renderTable(fields, columns, { headers });
}

function describe(worker: WorkerEntry): string {
  if (worker.runtime === 'local') return `on this machine, in ${worker.home}`;
  const { pod, namespace, context, container, kubeconfig } = worker;
  const more = [container && `container ${container}`, kubeconfig && `kubeconfig ${kubeconfig}`].filter(
    Boolean,
  );
  return [`pod ${pod}`, `namespace ${namespace}`, `context ${context}`, ...more].join(', ');
}

function localWorker(name: string, flags: FlagInput, { env, stderr }: Context): LocalWorker {
  const misplaced = (['pod', 'namespace', 'context', 'container', 'kubeconfig'] as const).find(
    (flag) => flags[flag],
  );
  if (misplaced !== undefined)
    throw new UsageError(`a local worker has no ${misplaced}`, `leave out --${misplaced}`);
  if (flags.home === undefined) throw new UsageError('--home is missing: the folder of the local worker');
  const home = resolve(expandHome(flags.home, homeOf(env)));
  if (!existsSync(home)) stderr.write(`note: there is no folder ${home} yet\n`);
  return { runtime: 'local', name, home };
}

/** The first line of a new file: editors use it for completion and checks. */
function newFile(): string {
  return `# yaml-language-server: $schema=${join(packageRoot(), 'scripts/lib/config/workers.schema.json')}\n`;
}

/** Refuses invalid values before anything is looked up. */
async function checkGiven(name: string, { pod, namespace, context, container }: FlagInput): Promise<void> {
  const { mistakesInFields } = await import('./lib/config/parse-workers.ts');
  const mistakes = mistakesInFields({ name, pod, namespace, context, container });
  if (mistakes.length > 0) throw new UsageError(mistakes.join('; '));
}

/** The entry of a worker in a cluster; missing values come from kubectl and from the release. */
async function clusterWorker(name: string, flags: FlagInput, context: Context): Promise<ClusterWorker> {
  if (flags.home !== undefined) throw new UsageError('only a local worker has a home', 'add --runtime local');
  const kubeconfig = flags.kubeconfig && resolve(expandHome(flags.kubeconfig, homeOf(context.env)));
  const { worker, doubt } = await findWorker(
    { ...flags, name, kubeconfig },
    context,
    parseDuration(flags.timeout, '--timeout'),
  );
  if (doubt !== null) context.stderr.write(`note: ${doubt}\n`);
  return worker;
}

/** The workers of a text; none for a file that is new or has only comments. */
async function parse(path: string, text: string, env: NodeJS.ProcessEnv): Promise<readonly WorkerEntry[]> {
  if (text.split('\n').every((line) => /^\s*(#|$)/.test(line))) return [];
  const { parseWorkers } = await import('./lib/config/parse-workers.ts');
  return parseWorkers(path, text, homeOf(env)).workers;
}

/** The file without overrides: here --context and similar flags are what to write. */
function onlyFile({ workers: file }: FlagInput) {
  return { workers: file, context: undefined, namespace: undefined, kubeconfig: undefined };
}

await runIfMain(import.meta.url, workers);
