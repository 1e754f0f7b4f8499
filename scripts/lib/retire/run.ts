/** The effects of `retire`: observes, shows the plan, asks for confirmation, and removes what is planned. */

import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { copyBackup, makeBackup } from '../backup/make.ts';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, UsageError } from '../cli/errors.ts';
import { confirm, input } from '../cli/prompt.ts';
import { bytes } from '../cli/text.ts';
import { readWorkers, removing, type WorkersText, writeChange } from '../config/enter.ts';
import { expandHome, homeOf, shortPath } from '../config/paths.ts';
import { userAtHost } from '../config/user.ts';
import type { ClusterWorker, LocalWorker, WorkerEntry } from '../config/worker-entry.ts';
import { chooseWorker } from '../config/workers-file.ts';
import { type Rest, resting } from '../drain/resting.ts';
import { findHelm, type Helm } from '../helm/helm.ts';
import { lookAtWorker, lookInside, type WorkerState } from '../lifecycle/look.ts';
import { waitGone } from '../lifecycle/pod-wait.ts';
import { endLocalWorker } from '../lifecycle/stop-local.ts';
import { createTools, stopNow } from '../lifecycle/tools.ts';
import { localWorkerState } from '../local/state.ts';
import { agree, answer, type Plan, runSteps, type Step, silently } from '../plan.ts';
import { openConnections } from '../transport/connections.ts';
import { type Cluster, clusterOf } from '../transport/kubectl.ts';
import { type Effect, expectSeen, presenceOf } from '../transport/objects.ts';
import { contextToUse, fullName } from '../worker/find-worker.ts';
import { createReach } from '../worker/observe.ts';
import { findDeployment } from '../worker/workload.ts';
import { seeBelongings } from './observe.ts';
import {
  destroys,
  planRetire,
  planRetireLocal,
  type RetireActions,
  type RetireRequest,
  type RetireStep,
} from './plan.ts';

/** The arguments of the command. */
export interface RetireArguments {
  readonly name: string;
  readonly context: string | undefined;
  readonly namespace: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly workersPath: string;
  readonly backup: string | undefined;
  readonly purge: boolean;
  /** The worker's name, given by flag instead of at the prompt. */
  readonly confirm: string | undefined;
  readonly now: boolean;
  readonly drainMs: number;
  readonly timeoutMs: number;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

const BACKUP_MS = 600_000;

export async function retireWorker(given: RetireArguments, context: Context): Promise<number> {
  const { name } = given;
  if (given.confirm !== undefined && given.confirm !== name) {
    throw new UsageError(`--confirm ${given.confirm} is not the name of the worker, ${name}`);
  }
  const file = await readWorkers(given.workersPath, context.env);
  const request: RetireRequest = { purge: given.purge, now: given.now, backup: backupFile(given, context) };
  const worker = await findEntry(given, file, context);
  openConnections(context, [worker]);
  return worker.runtime === 'local'
    ? retireLocal(worker, request, given, file, context)
    : retireFromCluster(worker, request, given, file, context);
}

async function retireFromCluster(
  worker: ClusterWorker,
  request: RetireRequest,
  given: RetireArguments,
  file: WorkersText,
  context: Context,
): Promise<number> {
  const { timeoutMs } = given;
  const { now, stderr } = context;
  const cluster = clusterOf(context, timeoutMs);
  const helm = await findHelm(context);
  const [state, install] = await Promise.all([
    lookAtWorker(helm, worker, context, timeoutMs),
    findDeployment(cluster, worker),
  ]);
  const belongings = await seeBelongings(cluster, worker, install);
  const removal = removalOf(file, worker.name, context);
  const tools = createTools(helm, cluster, worker, context);
  const say = (what: string) => stderr.write(`${worker.name}: ${what}\n`);
  const rest = resting(worker, restOf(worker, given, context), context);
  const again = tools.helm('uninstall', state.release?.name ?? '');
  const planned = planRetire(
    { now: now(), state, ...belongings, entry: removal?.shown ?? null },
    request,
    tools,
    {
      ...commonActions(worker, request, given, removal, context),
      drain: rest.begin,
      uninstalled: async () => {
        await expectSeen(uninstalled(helm, cluster, state, again), cluster);
        rest.done();
        return undefined;
      },
      'stop-now': () => stopNow(worker, context, timeoutMs),
      wait: silently(() => waitGone(cluster, worker, say)),
    },
  );
  return runPlan(planned, worker, rest.giveUp, given, context);
}

/** @param again the command line that was run, to type it again */
function uninstalled(
  helm: Helm,
  cluster: Cluster,
  { worker, workload, release }: WorkerState,
  again: string,
): Effect {
  const name = release?.name ?? '';
  return {
    failed: `release ${name} of ${worker.name} was not uninstalled`,
    by: 'helm',
    look: async () => {
      if (workload !== null) {
        const { kind, name: object } = workload;
        if ((await presenceOf(cluster, worker, kind, object)) === 'there')
          return `its ${kind} ${object} is still there`;
      }
      const status = (await helm.status({ name, worker }))?.status;
      return status === undefined || status === 'uninstalled' ? null : `it is ${status}`;
    },
    hints: [`uninstall it: ${again}`],
  };
}

async function retireLocal(
  worker: LocalWorker,
  request: RetireRequest,
  given: RetireArguments,
  file: WorkersText,
  context: Context,
): Promise<number> {
  const { exec } = context;
  const { prepared, running, processes } = await localWorkerState(worker.home, exec);
  if (request.purge && !prepared && existsSync(worker.home)) {
    throw new CliError(`${worker.home} is not the folder of a local worker; it is not deleted`, {
      hints: ['omit --purge, and check what it is'],
    });
  }
  const removal = removalOf(file, worker.name, context);
  if (removal === null) throw new Error(`${worker.name} is not in ${file.path}`);
  const inside = running
    ? await lookInside(worker, context, given.timeoutMs)
    : { entered: false as const, why: `${worker.name} does not run` };
  const waitMs = request.now ? 0 : given.drainMs;
  const lives = running || processes > 0;
  const lines = { ours: context.commandLine };
  const planned = planRetireLocal(worker, lives, waitMs, inside, removal.shown, request, lines, {
    ...commonActions(worker, request, given, removal, context),
    stop: silently(() => endLocalWorker(worker, { ...restOf(worker, given, context), waitMs }, context)),
    folder: silently(async () => rmSync(worker.home, { recursive: true, force: true })),
  });
  return runPlan(planned, worker, async () => {}, given, context);
}

function restOf(worker: WorkerEntry, { drainMs, timeoutMs }: RetireArguments, context: Context): Rest {
  const { stderr, commandLine } = context;
  const say = (what: string) => stderr.write(`${worker.name}: ${what}\n`);
  const hints = [
    `wait longer: ${commandLine('retire', worker.name, '--drain-timeout', '2h')}`,
    `interrupt it: ${commandLine('retire', worker.name, '--now')}`,
  ];
  const reason = `retired by ${userAtHost()}`;
  return { reason, waitMs: drainMs, timeoutMs, say, hints };
}

/** The steps that are the same for a local worker and one in a cluster. */
function commonActions(
  worker: WorkerEntry,
  { backup }: RetireRequest,
  { timeoutMs }: RetireArguments,
  removal: Removal | null,
  context: Context,
): Pick<RetireActions, 'backup' | 'entry'> {
  const { signal, now } = context;
  return {
    backup: async () => {
      const { transport } = await createReach(context, timeoutMs).enter(worker);
      const id = `${now()
        .toISOString()
        .replaceAll(/[-:]|\.\d+/g, '')}-retire`;
      const made = await makeBackup(transport, worker.name, id, 'everything', BACKUP_MS, signal);
      const copy = await copyBackup(transport, made, backup ?? '', timeoutMs, signal);
      if (copy.integrity !== null && copy.integrity !== 'ok') {
        throw new CliError(`the database of ${worker.name} is not whole: ${copy.integrity}`, {
          hints: [`the backup holds it as it is: ${backup}`, 'to retire it anyway, omit --backup'],
        });
      }
      return `${bytes(copy.bytes)}, ${copy.database === 'none' ? 'no SQLite database' : `${copy.rows} rows, integrity ${copy.integrity}`}`;
    },
    entry: silently(async () => {
      if (removal !== null) await writeChange(removal.change);
    }),
  };
}

async function runPlan(
  planned: Plan<Step<RetireStep>>,
  worker: WorkerEntry,
  giveUp: () => Promise<void>,
  given: RetireArguments,
  context: Context,
): Promise<number> {
  const { name } = given;
  const asked = {
    worker,
    dryRun: given.dryRun,
    json: given.json,
    show: true,
    ask: () => leave(planned, worker, given, context),
    status: 'retired',
  };
  const plan = await agree(planned, asked, context);
  if (typeof plan === 'number') return plan;
  const again = () =>
    context.commandLine(
      'retire',
      name,
      ...(given.purge ? ['--purge'] : []),
      ...(given.now ? ['--now'] : []),
      // Once the copy exists, another one of that name would be refused.
      ...(given.backup === undefined || existsSync(inFull(given.backup, context))
        ? []
        : ['--backup', given.backup]),
    );
  await runSteps(plan.steps, again, context, giveUp);
  const left = plan.steps
    .filter(({ mark, name: step }) => mark === '=' && (step === 'volume' || step === 'secret'))
    .flatMap(({ name: step, what }) => `${step}: ${what}`.split('\n'));
  answer(asked, plan, { status: 'retired', sentence: `${name} is retired`, next: left }, context);
  return ExitCode.ok;
}

/** Asks for a yes; where something is lost permanently, for the worker's name. */
async function leave(
  plan: Plan<Step<RetireStep>>,
  worker: WorkerEntry,
  given: RetireArguments,
  context: Context,
): Promise<boolean> {
  const { name } = given;
  if (plan.kind !== 'go' || !destroys(plan.steps)) {
    return confirm(context, `Retire ${name}?`, given.yes);
  }
  if (given.confirm === name) return true;
  const where = worker.runtime === 'local' ? 'on this machine' : `in ${worker.context}`;
  await input(
    context,
    `Its volume is deleted permanently, ${where}. Type the worker's name:`,
    `--confirm ${name}`,
    (text) => text === name || `type ${name}, or Ctrl-C`,
  );
  return true;
}

interface Removal {
  readonly change: Parameters<typeof writeChange>[0];
  readonly shown: { readonly path: string; readonly diff: string };
}

function removalOf(file: WorkersText, name: string, { env }: Context): Removal | null {
  if (!file.workers.some((entry) => entry.name === name)) return null;
  const change = removing(file, name, env);
  return { change, shown: { path: shortPath(file.path, homeOf(env)), diff: change.diff } };
}

/** The entry; or, when an earlier run has removed it, the place given by flags. */
async function findEntry(given: RetireArguments, file: WorkersText, context: Context): Promise<WorkerEntry> {
  const { name, namespace, timeoutMs } = given;
  const entry = file.workers.find((candidate) => candidate.name === name);
  if (entry?.runtime === 'local') return entry;
  if (entry === undefined && namespace === undefined) {
    try {
      return chooseWorker(file, name);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(
        error.message,
        ...error.hints,
        'what is left of one: give --namespace and --context',
      );
    }
  }
  const kubeconfig =
    given.kubeconfig === undefined ? entry?.kubeconfig : expandHome(given.kubeconfig, homeOf(context.env));
  return {
    runtime: 'kubernetes',
    name,
    pod: entry?.pod ?? fullName(name),
    namespace: namespace ?? entry?.namespace ?? '',
    context: given.context ?? entry?.context ?? (await contextToUse(kubeconfig, timeoutMs, context)),
    ...(entry?.container === undefined ? {} : { container: entry.container }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  };
}

function backupFile({ backup }: RetireArguments, context: Context): string | null {
  if (backup === undefined) return null;
  const file = inFull(backup, context);
  if (existsSync(file)) {
    throw new CliError(`${backup} already exists`, { hints: ['give --backup another name'] });
  }
  return file;
}

function inFull(path: string, { env }: Context): string {
  return resolve(expandHome(path, homeOf(env)));
}
