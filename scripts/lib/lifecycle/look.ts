/** The state of a worker before and after its plan: workload, release, pods, running work, problems. */
import type { Context } from '../cli/command.ts';
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import type { Drain } from '../contract.ts';
import { whatRuns } from '../drain/rest.ts';
import { observe } from '../health/observe.ts';
import {
  type Change,
  type Helm,
  isPending,
  lastDeployed,
  type Release,
  type Revision,
} from '../helm/helm.ts';
import { setValueCommand } from '../helm/set-value.ts';
import { podFinder } from '../transport/find-pod.ts';
import { type Cluster, clusterOf } from '../transport/kubectl.ts';
import { expectSeen } from '../transport/objects.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';
import { itemName, openItems } from '../worker/queue.ts';
import { parseSnapshot } from '../worker/snapshot.ts';
import { findWorkload, type Workload } from '../worker/workload.ts';
import { livePods } from './pod-wait.ts';

/** The chart's name and version in Helm's history: `factory-worker-0.1.0`. */
const CHART = /^factory-worker-\d/;

export interface ReleaseState {
  readonly name: string;
  /** The newest revision, deployed or failed. */
  readonly revision: Revision;
  readonly pending: boolean;
  /** The revision that a rollback would go to; null when nothing was ever deployed. */
  readonly lastDeployed: number | null;
  /** Whether it was installed with this chart. */
  readonly ours: boolean;
}

export interface WorkerState {
  readonly worker: ClusterWorker;
  readonly workload: Workload | null;
  /** Null: Helm has none. */
  readonly release: ReleaseState | null;
  /** Names of the pods, including those that are being deleted. */
  readonly pods: readonly string[];
  readonly inside: Inside;
}

/** What the worker itself reports; when it cannot be entered, why. */
export type Inside =
  | {
      readonly entered: true;
      /** `demo#23 at stage qa`; null when nothing runs. */
      readonly runs: string | null;
      readonly drain: Drain | null;
      /** The unfinished issues in its queue: `demo#23`. */
      readonly open: readonly string[];
    }
  | { readonly entered: false; readonly why: string };

export async function lookAtWorker(
  helm: Helm,
  worker: ClusterWorker,
  context: Context,
  timeoutMs: number,
): Promise<WorkerState> {
  const cluster = clusterOf(context, timeoutMs);
  const [workload, pods] = await Promise.all([findWorkload(cluster, worker), livePods(cluster, worker)]);
  const [release, inside] = await Promise.all([
    findRelease(helm, worker, workload),
    lookInside(worker, context, timeoutMs),
  ]);
  return { worker, workload, release, pods: pods.map(({ metadata }) => metadata.name ?? ''), inside };
}

/** Whether the worker's pod is Ready now. */
export async function isReady(cluster: Cluster, worker: ClusterWorker): Promise<boolean> {
  const search = await podFinder(cluster)(worker);
  return search.kind === 'pod' && search.pod.ready && search.pod.state === 'running';
}

/** The release that the Deployment names; without a Deployment, one of the names that lead to the worker's pod name. */
async function findRelease(
  helm: Helm,
  worker: ClusterWorker,
  workload: Workload | null,
): Promise<ReleaseState | null> {
  const names =
    workload === null ? [worker.pod.replace(/^factory-/, ''), worker.pod] : [workload.release ?? ''];
  for (const name of names.filter((candidate) => candidate !== '')) {
    const state = await releaseState(helm, { name, worker });
    if (state !== null) return state;
  }
  return null;
}

/** @returns null when Helm has no such release */
export async function releaseState(helm: Helm, release: Release): Promise<ReleaseState | null> {
  const revision = await helm.status(release);
  if (revision === null) return null;
  const history = await helm.history(release);
  const chart = history.at(-1)?.chart ?? '';
  return {
    name: release.name,
    revision: { ...revision, chart },
    pending: isPending(revision),
    lastDeployed: lastDeployed(history)?.revision ?? null,
    ours: CHART.test(chart),
  };
}

export async function lookInside(worker: WorkerEntry, context: Context, timeoutMs: number): Promise<Inside> {
  try {
    const { transport } = await createReach(context, timeoutMs).enter(worker);
    const frame = await transport.run({
      script: 'look',
      args: ['brief'],
      timeoutMs,
      signal: context.signal,
    });
    const snapshot = parseSnapshot(frame);
    const working = snapshot.locks.checkIn || snapshot.heartbeat?.state === 'checking-in';
    return {
      entered: true,
      runs: working ? whatRuns(snapshot) : null,
      drain: snapshot.drain,
      open: openItems(snapshot).map(itemName),
    };
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return { entered: false, why: error.message };
  }
}

/**
 * The manifest lines that setting the replicas would change besides the replicas, because the chart here differs from the
 * release's. Asks nothing when there is nothing to set.
 */
export async function driftOf(helm: Helm, state: WorkerState, change: Change): Promise<string[]> {
  if (state.workload?.replicas === change.set?.['replicas']) return [];
  return driftBeside(/: [-+] replicas: \d+$/, helm, state, change);
}

/** The manifest lines that an upgrade would change besides the expected ones. */
export async function driftBeside(
  expected: RegExp,
  helm: Helm,
  { worker, release }: WorkerState,
  change: Change,
): Promise<string[]> {
  if (!release?.ours || release.pending) return [];
  // Loads yaml, which --help does not need.
  const { manifestChanges } = await import('../helm/manifest-diff.ts');
  const place = { name: release.name, worker };
  const [now, then] = await Promise.all([helm.manifest(place), helm.render(place, change)]);
  return manifestChanges(now, then, []).filter((line) => !expected.test(line));
}

/** Checks that the Deployment has that number of replicas. @throws CliError when it does not */
export async function expectReplicas(
  cluster: Cluster,
  worker: ClusterWorker,
  replicas: 0 | 1,
): Promise<void> {
  await expectSeen(
    {
      failed: `${worker.name} was not scaled to ${replicas}`,
      by: 'helm',
      look: async () => {
        const workload = await findWorkload(cluster, worker);
        if (workload === null) return `there is no Deployment ${worker.pod}`;
        return workload.replicas === replicas
          ? null
          : `its ${workload.kind} ${workload.name} has replicas: ${workload.replicas}`;
      },
      hints: [setValueCommand(worker, `replicas=${replicas}`)],
    },
    cluster,
  );
}

/** The health of a worker after a start, in lines for people. */
export interface Health {
  /** The word of the STATUS column. */
  readonly status: string;
  /** What is wrong, each with its next steps below it. */
  readonly problems: readonly string[];
}

export async function healthOf(worker: WorkerEntry, context: Context, timeoutMs: number): Promise<Health> {
  const { status, problems } = await observe(
    createReach(context, timeoutMs),
    worker,
    'brief',
    context,
    timeoutMs,
  );
  return {
    status,
    problems: problems.flatMap(({ cause, next }) => [`! ${cause}`, ...next.map((line) => `    ${line}`)]),
  };
}
