/** Enters a worker's pod, as `kubectl exec` does. */
import type { ClusterWorker } from '../config/worker-entry.ts';
import { execArgs } from './client.ts';
import { clientOf } from './connections.ts';
import { newNonce, parseFrame } from './frame.ts';
import { base, type Cluster } from './kubectl.ts';
import { kubectlError, kubectlMessage, lastWords } from './kubectl-errors.ts';
import type { ContainerName } from './pods.ts';
import { type Transport, TransportError } from './transport.ts';

function brokenConnection({ name }: ClusterWorker): TransportError {
  return new TransportError('broken', `the connection to ${name} broke before its answer was whole`);
}

/** Enters a worker through its pod, the same one for the whole command; a terminal is always kubectl's own. */
export function podTransport(cluster: Cluster, worker: ClusterWorker, pod: ContainerName): Transport {
  const client = clientOf(cluster);
  return {
    async run(call) {
      const nonce = newNonce();
      const result = await client.run(worker, pod, call, nonce);
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
        argv: [
          ...base(cluster, worker),
          ...execArgs(pod),
          '--stdin',
          ...(tty ? ['--tty'] : []),
          '--',
          ...argv,
        ],
        env: cluster.env,
        // kubectl prints this for every exit code but 0, also for ours that mean "detached".
        dropStderr: /^command terminated with exit code \d+\r?\n?/m,
      };
    },
  };
}
