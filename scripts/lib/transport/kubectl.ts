/** Reaches a worker in a cluster, over `kubectl get` and `kubectl exec` alone. */
import type { Context } from '../cli/command.ts';
import { InterruptedError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Argv, type Exec, LIMITS } from '../exec.ts';
import { newNonce, parseFrame } from './frame.ts';
import { kubectlError, kubectlMessage } from './kubectl-errors.ts';
import { choosePod, type PodFacts, type PodObject, podFacts } from './pods.ts';
import { readAnswer } from './read-answer.ts';
import { GRACE_MS, scriptArgv } from './scripts.ts';
import { floodError, type Transport, TransportError } from './transport.ts';

/** Where kubectl calls go; one `get pods` serves all workers that share it. */
export interface Cluster {
  readonly exec: Exec;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly now: () => Date;
}

export function clusterOf(
  { exec, env, signal, now }: Pick<Context, 'exec' | 'env' | 'signal' | 'now'>,
  timeoutMs: number,
): Cluster {
  return { exec, env, timeoutMs, signal, now };
}

/** What became of the search for a worker's pod. `missing` and `stopped` say that there is none, and why. */
export type PodSearch =
  | { readonly kind: 'pod'; readonly pod: PodFacts }
  | { readonly kind: 'none'; readonly status: 'missing' | 'stopped' | 'pending'; readonly reason: string };

/**
 * Resolves workers to pods for the time of one command.
 *
 * @returns a function that finds the pod of a worker; workers of one context and namespace share a single `get pods`. It
 *   throws TransportError when the cluster cannot be asked.
 */
export function podFinder(cluster: Cluster): (worker: ClusterWorker) => Promise<PodSearch> {
  const lists = new Map<string, Promise<readonly PodObject[] | TransportError>>();
  return async (worker) => {
    const key = JSON.stringify([worker.kubeconfig, worker.context, worker.namespace]);
    const listing = lists.get(key) ?? listPods(cluster, worker);
    lists.set(key, listing);
    const pods = await listing;
    // A list that is forbidden still leaves `get pod P`, which is enough where `pod:` names a pod.
    const pod =
      pods instanceof TransportError ? await podItself(cluster, worker, pods) : choosePod(pods, worker.pod);
    if (pod !== null) return { kind: 'pod', pod: podFacts(pod, worker.container, cluster.now()) };
    return explainAbsence(cluster, worker);
  };
}

/** The pods of a namespace; or, when listing them is forbidden, the error that says so, since something else may not be. */
async function listPods(
  cluster: Cluster,
  worker: ClusterWorker,
): Promise<readonly PodObject[] | TransportError> {
  const result = await kubectl(cluster, worker, ['get', 'pods', '--output=json']);
  if (result.code === 0)
    return readAnswer<{ items: PodObject[] }>('list', worker.name, result.stdout.toString('utf8')).items;
  const error = kubectlError(result, worker, 'list the pods of');
  if (error.kind === 'forbidden') return error;
  throw error;
}

/**
 * The pod called as `pod:` says.
 *
 * @throws the given error when there is none: a Deployment's pod can only be found in a list
 */
async function podItself(
  cluster: Cluster,
  worker: ClusterWorker,
  refused: TransportError,
): Promise<PodObject> {
  const pod = await getObject<PodObject>(cluster, worker, 'pod').catch((error: unknown) => {
    if (error instanceof TransportError && error.kind === 'forbidden') return null;
    throw error;
  });
  if (pod === null) throw refused;
  return pod;
}

/** One object called like the worker's `pod:`, or null when there is none. */
async function getObject<T>(cluster: Cluster, worker: ClusterWorker, kind: string): Promise<T | null> {
  const result = await kubectl(cluster, worker, [
    'get',
    kind,
    worker.pod,
    '--output=json',
    '--ignore-not-found',
  ]);
  if (result.code !== 0) throw kubectlError(result, worker, `look up the ${kind} of`);
  return result.stdout.length === 0
    ? null
    : readAnswer<T>('object', worker.name, result.stdout.toString('utf8'));
}

function brokenConnection({ name }: ClusterWorker): TransportError {
  return new TransportError('broken', `the connection to ${name} broke before its answer was whole`);
}

interface DeploymentObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
  };
}

/** No pod: scaled to none, not created yet (and why), or nothing of that name at all. */
async function explainAbsence(cluster: Cluster, worker: ClusterWorker): Promise<PodSearch> {
  const missing = { kind: 'none', status: 'missing', reason: `no pod or Deployment ${worker.pod}` } as const;
  let deployment: DeploymentObject | null;
  try {
    deployment = await getObject<DeploymentObject>(cluster, worker, 'deployment');
  } catch (error) {
    if (error instanceof TransportError && error.kind === 'forbidden') return missing;
    throw error;
  }
  if (deployment === null) return missing;
  if (deployment.spec?.replicas === 0) {
    return { kind: 'none', status: 'stopped', reason: `Deployment ${worker.pod} is scaled to 0` };
  }
  const failure = deployment.status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  return { kind: 'none', status: 'pending', reason: failure?.message ?? 'its pod has not been created yet' };
}

/** Reaches a worker through its pod, pinned for the time of one command. */
export function kubectlTransport(cluster: Cluster, worker: ClusterWorker, pod: PodFacts): Transport {
  const into = ['exec', pod.name, `--container=${pod.container}`];
  return {
    async run(call) {
      const nonce = newNonce();
      const result = await kubectl(
        { ...cluster, signal: call.signal, timeoutMs: call.timeoutMs + GRACE_MS },
        worker,
        [...into, '--', ...scriptArgv(call, nonce)],
        { bounded: false, maxBytes: LIMITS.frameBytes, asked: call.script },
      );
      const frame = parseFrame(result.stdout, nonce);
      if (frame !== null && frame.rc !== 124) return frame;
      if (result.timedOut || result.code === 124 || frame?.rc === 124) {
        throw new TransportError('timeout', `${worker.name} did not answer within ${call.timeoutMs / 1000}s`);
      }
      // kubectl reports the script's own end, or its own trouble, or nothing at all when the stream was cut. Once the script
      // has begun, what is on stderr may be its own, and says nothing of whether it has done its work.
      const begun = result.stdout.includes(nonce);
      if (!begun && result.code !== 0 && kubectlMessage(result.stderr) !== '')
        throw kubectlError(result, worker, 'run a command in');
      throw brokenConnection(worker);
    },
    terminal(argv, tty) {
      return {
        argv: [...base(cluster, worker), ...into, '--stdin', ...(tty ? ['--tty'] : []), '--', ...argv],
        env: cluster.env,
        // kubectl says so of every exit code but 0, also of ours that mean "detached".
        dropStderr: /^command terminated with exit code \d+\r?\n?/m,
      };
    },
  };
}

/** How every kubectl call on the cluster of a worker begins. */
export function base({ env }: Pick<Cluster, 'env'>, worker: ClusterWorker): [string, ...string[]] {
  const kubeconfig = worker.kubeconfig === undefined ? [] : [`--kubeconfig=${worker.kubeconfig}`];
  return [
    env['KUBECTL'] || 'kubectl',
    ...kubeconfig,
    `--context=${worker.context}`,
    `--namespace=${worker.namespace}`,
  ];
}

interface KubectlOptions {
  /** With a limit for each request. */
  readonly bounded?: boolean;
  /** Its stdin. */
  readonly input?: string;
  /** More than this is no answer; by default what any program may print. */
  readonly maxBytes?: number;
  /** What is asked, for the message about an answer without end; by default kubectl's verb. */
  readonly asked?: string;
}

/**
 * Runs kubectl on the cluster of a worker.
 *
 * @throws TransportError when it prints without end; of its own failure tells the result
 */
export async function kubectl(
  cluster: Cluster,
  worker: ClusterWorker,
  args: readonly string[],
  { bounded = true, input, maxBytes, asked = `kubectl ${args[0]}` }: KubectlOptions = {},
) {
  // Without --request-timeout kubectl retries inside and an unreachable cluster holds it for minutes.
  const limit = bounded ? [`--request-timeout=${Math.ceil(cluster.timeoutMs / 1000)}s`] : [];
  const argv: Argv = [...base(cluster, worker), ...limit, ...args];
  const result = await cluster.exec.run(argv, {
    env: cluster.env,
    timeoutMs: cluster.timeoutMs,
    signal: cluster.signal,
    ...(input === undefined ? {} : { input }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  if (result.aborted) throw InterruptedError.by(cluster.signal);
  if (result.overflowedAt !== undefined) throw floodError(worker.name, result.overflowedAt, asked);
  return result;
}
