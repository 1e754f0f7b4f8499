/** The lookups of completion, while the operator waits after pressing Tab. */
import type { Context } from '../cli/command.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { loadWorkers } from '../config/workers-file.ts';
import { observe } from '../health/observe.ts';
import { openConnections } from '../transport/connections.ts';
import { createReach } from '../worker/observe.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import { type ProgramAnswer, parseProgramAnswer } from './candidates.ts';
import type { Given } from './plan.ts';

/** Time limit of one completion. */
export const LIMIT_MS = 2_000;

/** The workers of workers.yaml. */
export async function lookUpWorkers({ env }: Context, given: Given): Promise<readonly WorkerEntry[]> {
  return (await loadWorkers(env, given)).workers;
}

/**
 * One request to a worker.
 *
 * @returns null when it is unknown or unreachable
 * @throws InterruptedError when it takes too long
 */
export async function lookInto(context: Context, name: string, given: Given): Promise<Snapshot | null> {
  const worker = (await lookUpWorkers(context, given)).find((candidate) => candidate.name === name);
  if (worker === undefined) return null;
  // One limit for finding the pod and the request together; a timeout applies to each call.
  const limited = { ...context, signal: AbortSignal.any([context.signal, AbortSignal.timeout(LIMIT_MS)]) };
  openConnections(limited, [worker]);
  return (await observe(createReach(limited, LIMIT_MS), worker, 'brief', limited, LIMIT_MS)).snapshot;
}

/**
 * Asks the real `factory` for its own candidates, as its generated completion scripts do.
 *
 * @param words the words after its name; the last one is being typed
 */
export async function askFactory(
  { exec, env, signal }: Context,
  words: readonly string[],
): Promise<ProgramAnswer> {
  const { stdout } = await exec.run(['factory', '__complete', ...words], {
    env,
    signal,
    timeoutMs: LIMIT_MS,
  });
  return parseProgramAnswer(stdout.toString('utf8'));
}
