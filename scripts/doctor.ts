/** `doctor`: checks the laptop, the cluster and the inside of workers before something goes wrong. */
import { type Context, defineCommand, type Input } from './lib/cli/command.ts';
import { CliError, ExitCode } from './lib/cli/errors.ts';
import { painter, renderJson, type Style } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { confirm } from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { count, printable } from './lib/cli/text.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { homeOf, shortPath } from './lib/config/paths.ts';
import type { ClusterWorker, WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorkers, loadWorkers, workersPath } from './lib/config/workers-file.ts';
import { type Check, found, isSick, type Section, type State } from './lib/health/check.ts';
import { type Examination, examineLaptop, examineNamespace, examineWorker } from './lib/health/examine.ts';
import { openConnections } from './lib/transport/connections.ts';
import { currentContext } from './lib/transport/kubectl.ts';
import { fanOut, guarded } from './lib/worker/fan-out.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

/** Each worker takes several requests at once. */
const AT_ONCE = 4;

const FLAGS = {
  fix: {
    type: 'boolean',
    description: 'fix what is safe: label the namespace, raise inotify limits of a privileged worker’s node',
  },
  'dry-run': { type: 'boolean', description: 'with --fix: show what would be done, change nothing' },
  yes: { type: 'boolean', short: 'y', description: 'with --fix: do not ask' },
  'no-run': { type: 'boolean', description: 'start no container in the worker' },
  ...OUTPUT_FLAGS(FORMATS),
  ...WORKER_FLAGS,
} as const;

type FlagInput = Input<typeof FLAGS>['flags'];

export const doctor = defineCommand({
  name: 'doctor',
  summary: SUMMARIES.doctor,
  description: `Checks kubectl, helm, the context and its login, permissions, namespace and storage; for each worker its release, the keys
of its Secret (never the values), its volume, and inside it disk, limits and Docker, tested with one container.
Without WORKER: all of workers.yaml; without that file: kubectl's current context and the namespace of -n (else factory).
Exits with 1 when a check fails, 3 when only some of several workers fail; warnings alone are 0.`,
  positionals: [{ name: 'WORKER', required: false, repeat: true }],
  flags: FLAGS,
  examples: [
    ['', 'everything'],
    ['worker-1', 'one worker, and the cluster it is in'],
    ['-n factory --context do-nyc1-factory', 'a cluster, before its first worker'],
    ['worker-1 --fix', 'and fix what is safe to fix'],
  ],
  async run({ flags, positionals }, context) {
    const format = outputFormat(flags, FORMATS);
    const examination: Examination = {
      context,
      timeoutMs: parseDuration(flags.timeout, '--timeout'),
      run: !flags['no-run'],
    };
    const { workers, finding } = await readWorkers(flags, positionals, context);
    openConnections(context, workers);
    let sections = await examineAll(examination, workers, finding, flags);
    if (flags.fix && (await applyFixes(sections, flags, context))) {
      sections = await examineAll(examination, workers, finding, flags);
    }
    context.stdout.write(
      format === 'json'
        ? renderJson(sections.map(toJson))
        : sections.map((section) => render(section, context)).join('\n'),
    );
    return exitCode(sections, workers);
  },
});

/** The workers to check, and the finding about workers.yaml. */
async function readWorkers(flags: FlagInput, names: readonly string[], context: Context) {
  const { env, commandLine } = context;
  const path = shortPath(workersPath(env, flags.workers), homeOf(env));
  if (names.length > 0) {
    const file = await loadWorkers(env, flags, commandLine);
    return { workers: chooseWorkers(file, names), finding: found('workers-file', 'ok', path) };
  }
  try {
    const { workers } = await loadWorkers(env, flags, commandLine);
    return {
      workers,
      finding: found('workers-file', 'ok', `${path} names ${count(workers.length, 'worker')}`),
    };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const state: State = error.exitCode === ExitCode.usage ? 'fail' : 'warn';
    return {
      workers: [] as WorkerEntry[],
      finding: found('workers-file', state, error.message, error.hints),
    };
  }
}

async function examineAll(
  examination: Examination,
  workers: readonly WorkerEntry[],
  workersFile: Check,
  flags: FlagInput,
): Promise<Section[]> {
  const laptop = await examineLaptop(examination, workersFile);
  // Nothing else can be checked.
  if (laptop.findings[0]?.state === 'fail' && workers.every(({ runtime }) => runtime !== 'local'))
    return [laptop];
  const inClusters = workers.filter((worker) => worker.runtime !== 'local');
  const groups = new Map<string, [ClusterWorker, ...ClusterWorker[]]>();
  for (const worker of inClusters) {
    const key = JSON.stringify([worker.kubeconfig, worker.context, worker.namespace]);
    const group = groups.get(key);
    if (group) group.push(worker);
    else groups.set(key, [worker]);
  }
  const places: { readonly place: ClusterWorker; readonly there: readonly ClusterWorker[] }[] =
    workers.length > 0
      ? [...groups.values()].map((group) => ({ place: group[0], there: group }))
      : [{ place: await placeOf(flags, examination.context), there: [] }];
  const namespaces = await fanOut(places, AT_ONCE, ({ place, there }) =>
    examineNamespace(examination, place, there),
  );
  return [
    laptop,
    ...namespaces,
    ...(await fanOut(
      workers,
      AT_ONCE,
      guarded(
        (worker) => examineWorker(examination, worker),
        ({ name }, sentence) => ({ where: name, findings: [found('unexpected-error', 'fail', sentence)] }),
      ),
    )),
  ];
}

/** Where the first worker would be: from the flags, else kubectl's current context. */
async function placeOf(
  { context: given, namespace = 'factory', kubeconfig }: FlagInput,
  context: Context,
): Promise<ClusterWorker> {
  return {
    runtime: 'kubernetes',
    name: namespace,
    pod: '',
    namespace,
    context: given ?? (await currentContext(context, kubeconfig, 15_000)).name,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  };
}

/** @returns whether something was changed */
async function applyFixes(
  sections: readonly Section[],
  flags: FlagInput,
  context: Context,
): Promise<boolean> {
  const { stderr } = context;
  const safe = sections.flatMap(({ where, findings }) =>
    findings.flatMap((finding) => (finding.repair ? [{ where, finding, repair: finding.repair }] : [])),
  );
  if (safe.length === 0) {
    stderr.write('nothing for --fix to do\n');
    return false;
  }
  for (const { where, finding } of safe) stderr.write(`${where}: ${finding.id}: ${finding.fix[0]}\n`);
  if (flags['dry-run'] || !(await confirm(context, `Do ${safe.length === 1 ? 'this' : 'these'}?`, flags.yes)))
    return false;
  for (const { where, finding, repair } of safe) {
    await repair().catch((error: Error) => {
      stderr.write(`${where}: ${finding.id} could not be fixed: ${printable(error.message)}\n`);
    });
  }
  return true;
}

const STYLES: Readonly<Record<State, Style>> = {
  ok: 'green',
  warn: 'yellow',
  fail: 'red',
  off: 'dim',
  unknown: 'yellow',
};

function render({ where, findings }: Section, { stdout, env }: Context): string {
  const paint = painter(stdout, env);
  const width = Math.max(...findings.map(({ id }) => id.length));
  const lines = findings.flatMap(({ id, state, reason, fix }) => [
    `  ${paint(STYLES[state], state.padEnd(7))}  ${id.padEnd(width)}  ${printable(reason).replaceAll('\n', ' ')}`,
    ...fix.map((line) => `  ${' '.repeat(7)}  ${' '.repeat(width)}  → ${printable(line)}`),
  ]);
  return `${paint('bold', where)}\n${lines.join('\n')}\n`;
}

const toJson = ({ where, findings }: Section) => ({
  where,
  findings: findings.map(({ id, state, reason, fix }) => ({ id, state, reason, fix })),
});

function exitCode(sections: readonly Section[], workers: readonly WorkerEntry[]): number {
  const sick = sections.filter(isSick);
  if (sick.length === 0) return ExitCode.ok;
  const names = new Set(workers.map(({ name }) => name));
  const onlyWorkers = sick.every(({ where }) => names.has(where));
  return onlyWorkers && sick.length < names.size ? ExitCode.partial : ExitCode.failed;
}

await runIfMain(import.meta.url, doctor);
