/** Runs kubectl. */
import type { Context } from '../cli/command.ts';
import { InterruptedError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Argv, Exec, RunResult } from '../exec.ts';
import { floodError } from './transport.ts';

/** What every kubectl call needs. */
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

/** The beginning of every kubectl call for a worker. */
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
  /** Whether to set --request-timeout. */
  readonly bounded?: boolean;
  /** Its stdin. */
  readonly input?: string;
  /** The most it may print; by default the limit for any program. */
  readonly maxBytes?: number;
  /** What is asked, for the message when the limit is exceeded; by default kubectl's verb. */
  readonly asked?: string;
}

/**
 * Runs kubectl on the cluster of a worker.
 *
 * @throws TransportError when it prints too much; other failures are in the result
 */
export async function kubectl(
  cluster: Cluster,
  worker: ClusterWorker,
  args: readonly string[],
  { bounded = true, input, maxBytes, asked = `kubectl ${args[0]}` }: KubectlOptions = {},
) {
  // Without --request-timeout, kubectl itself retries for minutes when the cluster is unreachable.
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

/**
 * Asks kubectl for its current context.
 *
 * @returns the name, empty when there is none; and the result of the call, which says why
 */
export async function currentContext(
  { exec, env, signal }: Pick<Cluster, 'exec' | 'env' | 'signal'>,
  kubeconfig: string | undefined,
  timeoutMs: number,
): Promise<{ readonly name: string; readonly result: RunResult }> {
  const file = kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`];
  const argv: Argv = [env['KUBECTL'] || 'kubectl', ...file, 'config', 'current-context'];
  const result = await exec.run(argv, { env, signal, timeoutMs });
  if (result.aborted) throw InterruptedError.by(signal);
  return { name: result.code === 0 ? result.stdout.toString('utf8').trim() : '', result };
}
