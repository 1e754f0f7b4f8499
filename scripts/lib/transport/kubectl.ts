/** Runs kubectl, and enters a worker's pod with `kubectl exec`. */
import type { Context } from '../cli/command.ts';
import { InterruptedError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Argv, type Exec, LIMITS, type RunResult } from '../exec.ts';
import { newNonce, parseFrame } from './frame.ts';
import { kubectlError, kubectlMessage, lastWords } from './kubectl-errors.ts';
import type { PodFacts } from './pods.ts';
import { GRACE_MS, scriptArgv } from './scripts.ts';
import { floodError, type Transport, TransportError } from './transport.ts';

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

function brokenConnection({ name }: ClusterWorker): TransportError {
  return new TransportError('broken', `the connection to ${name} broke before its answer was whole`);
}

/** Enters a worker through its pod, the same one for the whole command. */
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
      const begun = result.stdout.includes(nonce);
      if (result.timedOut || result.code === 124 || frame?.rc === 124) {
        const said = begun ? '' : lastWords(result.stderr);
        throw new TransportError(
          'timeout',
          `${worker.name} did not answer within ${call.timeoutMs / 1000}s${said}`,
        );
      }
      // kubectl reports the script's exit code, or its own error, or nothing at all when the stream was cut. Once the script
      // has started, stderr may be the script's, and does not say whether it has done its work.
      if (!begun && result.code !== 0 && kubectlMessage(result.stderr) !== '')
        throw kubectlError(result, worker, 'run a command in');
      throw brokenConnection(worker);
    },
    terminal(argv, tty) {
      return {
        argv: [...base(cluster, worker), ...into, '--stdin', ...(tty ? ['--tty'] : []), '--', ...argv],
        env: cluster.env,
        // kubectl prints this for every exit code but 0, also for ours that mean "detached".
        dropStderr: /^command terminated with exit code \d+\r?\n?/m,
      };
    },
  };
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
