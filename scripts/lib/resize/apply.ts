/** The parts of `resize` that wait and verify. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Run } from '../plan.ts';
import type { Cluster } from '../transport/kubectl.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { change } from '../transport/objects.ts';
import { type RunningPod, readDeployment, readReplicaSet, resizeArgs, runningPod } from './look.ts';
import { sameTemplate } from './plan.ts';
import { type Resources, same } from './resources.ts';

const POLL_MS = 500;
/** The kubelet takes about a second; a node under load longer. */
const APPLIED_MS = 60_000;
/** A resize that the node has no room for yet waits for ever (`Deferred`); so long it may be the kubelet's first word. */
const DEFERRED_MS = 10_000;
const DEPLOYMENT_MS = 30_000;

export interface Resizing {
  readonly cluster: Cluster;
  readonly worker: ClusterWorker;
  /** As it was found. */
  readonly pod: RunningPod;
  readonly change: Resources;
  readonly context: Context;
}

/**
 * Waits until the kubelet has applied the new limits; if it cannot, the pod gets its old ones back.
 *
 * @throws CliError with the kubelet's reason
 */
export function untilApplied({ cluster, worker, pod, change: wanted, context }: Resizing): Run {
  return async () => {
    const begin = cluster.now().getTime();
    const tell = onlyNews((text) => context.stderr.write(`${worker.name}: ${text}\n`));
    for (;;) {
      const now = await runningPod(cluster, worker, pod.container);
      if (now?.name !== pod.name) {
        throw new CliError(`pod ${pod.name} of ${worker.name} ended meanwhile`, {
          hints: [`why: ${context.commandLine('why', worker.name)}`],
        });
      }
      const [blocked] = now.pending;
      if (blocked === undefined && has(now.applied, wanted)) return undefined;
      const waited = cluster.now().getTime() - begin;
      const reason = [blocked?.reason, blocked?.message].filter(Boolean).join(': ');
      const hopeless = /^(Infeasible|Error)$/.test(blocked?.reason ?? '');
      if (hopeless || (blocked?.reason === 'Deferred' && waited > DEFERRED_MS) || waited > APPLIED_MS) {
        await putBack(cluster, worker, pod, wanted);
        throw new CliError(
          `the node did not resize ${pod.name}${reason === '' ? ' in time' : `: ${reason}`}; the pod has its old limits`,
          {
            exitCode: ExitCode.failed,
            hints: [`the node: ${kubectlInNamespace(worker, 'describe', 'node', pod.node ?? '')}`],
          },
        );
      }
      if (reason !== '') tell(reason);
      await pause(POLL_MS, cluster.signal);
    }
  };
}

function has(applied: Resources | null, { limits = {} }: Resources): boolean {
  return Object.entries(limits).every(([name, value]) => same(applied?.limits?.[name], value));
}

async function putBack(cluster: Cluster, worker: ClusterWorker, pod: RunningPod, wanted: Resources) {
  const old = (kind: 'limits' | 'requests') => ({
    [kind]: Object.fromEntries(
      Object.keys(wanted[kind] ?? {}).map((name) => [name, pod.resources[kind]?.[name] ?? null]),
    ),
  });
  const before = { ...old('limits'), ...(wanted.requests === undefined ? {} : old('requests')) };
  await change(cluster, worker, resizeArgs(pod, before as Resources));
}

/**
 * Checks that going on with the Deployment would not replace the pod.
 *
 * @throws CliError when it would: the Deployment stays paused then
 */
export function expectUnchanged({ cluster, worker, pod, context }: Resizing): Run {
  return async () => {
    const [deployment, replicaSet] = await Promise.all([
      readDeployment(cluster, worker),
      readReplicaSet(cluster, worker, pod.owner),
    ]);
    if (
      deployment !== null &&
      replicaSet !== null &&
      sameTemplate(deployment.template, replicaSet.template)
    ) {
      return undefined;
    }
    throw new CliError(
      `the Deployment ${worker.pod} differs from its ReplicaSet in more than resources: going on with it would restart ${worker.name}, so it stays paused`,
      {
        hints: [
          `let it restart, after its running stage: ${context.commandLine('drain', worker.name, '--wait')}`,
          `and then: ${kubectlInNamespace(worker, 'rollout', 'resume', `deployment/${worker.pod}`)}`,
        ],
      },
    );
  };
}

/** @throws CliError when another pod has taken the place of the one that was resized */
export function expectSamePod({ cluster, worker, pod, context }: Resizing): Run {
  return async () => {
    const end = cluster.now().getTime() + DEPLOYMENT_MS;
    for (;;) {
      if ((await readDeployment(cluster, worker))?.observed === true) break;
      if (cluster.now().getTime() > end) break;
      await pause(POLL_MS, cluster.signal);
    }
    const now = await runningPod(cluster, worker, pod.container);
    if (now?.name === pod.name) return undefined;
    throw new CliError(`${worker.name} was resized, but its pod ${pod.name} was replaced`, {
      hints: [`how it is: ${context.commandLine('status', worker.name)}`],
    });
  };
}
