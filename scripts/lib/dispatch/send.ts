/** Sends a dispatch so that each issue is queued once or certainly not, whatever becomes of the connection. */

import type { Context } from '../cli/command.ts';
import { CliError, InterruptedError } from '../cli/errors.ts';
import { pause } from '../cli/pause.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { Frame } from '../transport/frame.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach, type Reach } from '../worker/observe.ts';
import { type DispatchAnswer, parseDispatchAnswer, parseWithdrawal } from './outcome.ts';
import { type DispatchRequest, describeRequest, dispatchArgs } from './request.ts';

/** Sends the dispatch; after a lost connection, finds out what became of it. */
export async function send(
  context: Context,
  reach: Reach,
  worker: WorkerEntry,
  request: DispatchRequest,
  timeoutMs: number,
): Promise<DispatchAnswer> {
  const { signal, stderr } = context;
  const { transport } = await reach.enter(worker);
  try {
    let frame: Frame;
    try {
      frame = await transport.run({ script: 'dispatch', args: dispatchArgs(request), timeoutMs, signal });
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      if (!error.mayHaveHappened) {
        throw new CliError(`${describeRequest(request)} is not queued: ${error.message}`, {
          exitCode: error.exitCode,
          hints: [...error.hints, 'nothing of it has reached the worker; type the same dispatch again later'],
        });
      }
      stderr.write(`${error.message}; looking what became of it\n`);
      return await settle(context, worker, request, timeoutMs);
    }
    return parseDispatchAnswer(frame, request, worker.name, context.commandLine);
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    throw InterruptedError.by(
      signal,
      `interrupted; ${worker.name} may still queue ${describeRequest(request)}. Typing it again never queues twice`,
    );
  }
}

/** How often, and how far apart, a worker is asked what became of a dispatch. */
const SETTLE_TRIES = 5;
const SETTLE_PAUSE_MS = 2_000;

/** For all tries together, as the help says: this many times the --timeout, but no more than that. */
const SETTLE_TIMEOUTS = 2;
const SETTLE_LIMIT_MS = 120_000;

/** For one try: longer than a withdrawal waits for the queue. */
const SETTLE_TRY_MS = 45_000;

/**
 * Withdraws the dispatch and looks: what was not added by then never will be.
 *
 * @param givenMs the --timeout
 * @throws CliError when the worker cannot be asked
 */
async function settle(
  context: Context,
  worker: WorkerEntry,
  request: DispatchRequest,
  givenMs: number,
): Promise<DispatchAnswer> {
  const { signal } = context;
  const until = performance.now() + Math.min(givenMs * SETTLE_TIMEOUTS, SETTLE_LIMIT_MS);
  const timeoutMs = () => Math.max(1_000, Math.min(givenMs, SETTLE_TRY_MS, until - performance.now()));
  for (let attempt = 1; ; attempt++) {
    let trouble = new TransportError('timeout', `the queue of ${worker.name} is held`);
    try {
      // A new search for the pod: the old one may be what was lost.
      const { transport } = await createReach(context, timeoutMs()).enter(worker);
      const frame = await transport.run({
        script: 'dispatch-withdraw',
        args: [request.id],
        timeoutMs: timeoutMs(),
        signal,
      });
      const answer = parseWithdrawal(frame, request);
      if (answer !== null) return answer;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      trouble = error;
    }
    if (attempt === SETTLE_TRIES || until - performance.now() < SETTLE_PAUSE_MS) {
      throw new CliError(
        `it is not known whether ${describeRequest(request)} was queued: ${trouble.message}`,
        {
          hints: [
            'type the same dispatch again once the worker answers: it never queues anything twice',
            ...trouble.hints,
          ],
        },
      );
    }
    await pause(SETTLE_PAUSE_MS, signal);
  }
}
