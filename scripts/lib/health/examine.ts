/** The whole examination of `doctor`: laptop, each namespace, each worker. */

import type { Context } from '../cli/command.ts';
import { CliError } from '../cli/errors.ts';
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import { findHelm, type Helm } from '../helm/helm.ts';
import { type Cluster, clusterOf } from '../transport/kubectl.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';
import { findDeployment, type Workload } from '../worker/workload.ts';
import { type Check, found, isSick, type Section } from './check.ts';
import { checkContext, checkHelm, checkKubectl, checkKuberc, checkServer } from './laptop.ts';
import { checkNamespace, checkStorage, neededLevel } from './namespace.ts';
import { INOTIFY_RAISED, judge } from './preflight.ts';
import { checkClaim, checkPullSecrets, checkRelease, checkSecret } from './release.ts';
import { checkRights } from './rights.ts';

/** Extra time for running a container. */
const RUN_MS = 60_000;

export interface Examination {
  readonly context: Context;
  readonly timeoutMs: number;
  /** Whether a container may be started in the worker. */
  readonly run: boolean;
}

export async function examineLaptop({ context }: Examination, workersFile: Check): Promise<Section> {
  return {
    where: 'laptop',
    findings: [await checkKubectl(context), ...checkKuberc(context), await checkHelm(context), workersFile],
  };
}

/**
 * Examines one namespace of one cluster, for all its workers.
 *
 * @param workers those in the namespace; none before the first is installed
 */
export async function examineNamespace(
  { context, timeoutMs }: Examination,
  place: ClusterWorker,
  workers: readonly ClusterWorker[],
): Promise<Section> {
  const cluster = clusterOf(context, timeoutMs);
  const where = `namespace ${place.namespace} in ${place.context || 'no context'}`;
  const configured = await orUnknown('context', checkContext(cluster, place));
  if (isSick({ where, findings: configured })) return { where, findings: configured };
  const server = await orUnknown('cluster', checkServer(cluster, place));
  if (server.some(({ state }) => state !== 'ok' && state !== 'warn'))
    return { where, findings: [...configured, ...server] };
  const workloads = await Promise.all(
    workers.map((worker) => findDeployment(cluster, worker).catch(() => null)),
  );
  const level = neededLevel(workloads);
  const provision = context.commandLine('provision', workers[0]?.name ?? 'NAME');
  const checks = await Promise.all([
    orUnknown('namespace', checkNamespace(cluster, place, level, provision)),
    orUnknown('rbac', checkRights(cluster, place)),
    orUnknown('storage-class', checkStorage(cluster, place)),
  ]);
  return { where, findings: [...configured, ...server, ...checks.flat()] };
}

/** A check that the cluster does not answer becomes a finding, and the other checks still run. */
async function orUnknown(id: string, check: Promise<Check | Check[]>): Promise<Check[]> {
  try {
    return [await check].flat();
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return [found(id, 'unknown', error.message, error.hints)];
  }
}

export async function examineWorker(examination: Examination, worker: WorkerEntry): Promise<Section> {
  const inCluster = worker.runtime === 'local' ? [] : await examineRelease(examination, worker);
  return { where: worker.name, findings: [...inCluster, ...(await examineInside(examination, worker))] };
}

async function examineRelease({ context, timeoutMs }: Examination, worker: ClusterWorker): Promise<Check[]> {
  const cluster = clusterOf(context, timeoutMs);
  let install: Workload | null;
  try {
    install = await findDeployment(cluster, worker);
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return [found('release', 'unknown', error.message, error.hints)];
  }
  const release = await checkRelease(await helmOrNull(context), worker, install, context.commandLine);
  return install === null
    ? [release]
    : [release, ...(await examineInstall(cluster, worker, install, context))];
}

async function examineInstall(
  cluster: Cluster,
  worker: ClusterWorker,
  install: Workload,
  { commandLine }: Context,
): Promise<Check[]> {
  const { secret, claim, replicas } = install;
  const checks = await Promise.all([
    ...(secret === null
      ? []
      : [orUnknown('secret-keys', checkSecret(cluster, worker, secret, commandLine('rotate', worker.name)))]),
    orUnknown('pull-secret', checkPullSecrets(cluster, worker, install)),
    ...(claim === null
      ? []
      : [orUnknown('volume', checkClaim(cluster, worker, { claim, replicas }, commandLine))]),
  ]);
  return checks.flat();
}

async function examineInside(
  { context, timeoutMs, run }: Examination,
  worker: WorkerEntry,
): Promise<Check[]> {
  const { signal, now, commandLine } = context;
  try {
    const { transport, pod } = await createReach(context, timeoutMs).enter(worker);
    const frame = await transport.run({
      script: 'doctor',
      args: [run ? 'run' : 'look'],
      timeoutMs: timeoutMs + (run ? RUN_MS : 0),
      signal,
    });
    const raise = async () => {
      const args = [String(INOTIFY_RAISED.instances), String(INOTIFY_RAISED.watches)];
      const answer = await transport.run({ script: 'doctor-fix', args, timeoutMs, signal });
      if (answer.parts.get('raised')?.rc !== 0) {
        throw new CliError(answer.parts.get('raised.error')?.text ?? 'they could not be written');
      }
    };
    return judge(frame, { worker, pod, now: now().getTime() / 1000, command: commandLine }).map((finding) =>
      finding.id === 'inotify' && finding.fix[0]?.includes('--fix') ? { ...finding, repair: raise } : finding,
    );
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return [found('enter', 'fail', error.message, error.hints)];
  }
}

async function helmOrNull(context: Context): Promise<Helm | null> {
  return findHelm(context).catch((error: unknown) => {
    if (error instanceof CliError && !context.signal.aborted) return null;
    throw error;
  });
}
