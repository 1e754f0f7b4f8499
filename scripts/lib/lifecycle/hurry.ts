/** Telling a worker that is being stopped not to wait for its running stage. */
import type { Context } from '../cli/command.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';

/** @returns a sentence when it could not be told: mostly because it is gone already */
export async function hurry(
  worker: ClusterWorker,
  context: Context,
  timeoutMs: number,
): Promise<string | undefined> {
  try {
    const { transport } = await createReach(context, timeoutMs).enter(worker);
    await transport.run({ script: 'stop-now', args: [], timeoutMs, signal: context.signal });
    return undefined;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return `it was not told: ${error.message}`;
  }
}
