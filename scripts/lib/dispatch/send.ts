/** Sends a dispatch so that each issue is queued exactly once or certainly not, even if the connection breaks. */

import type { Context } from '../cli/command.ts';
import { CliError, InterruptedError } from '../cli/errors.ts';
import { pause } from '../cli/pause.ts';
import { oneLine } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { Frame } from '../transport/frame.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach, type Reach } from '../worker/observe.ts';
import { type DispatchAnswer, parseDispatchAnswer, parseWithdrawal } from './outcome.ts';
import { type DispatchRequest, describeRequest, dispatchArgs } from './request.ts';

/** Sends the dispatch; after a lost connection, finds out whether it was queued. */
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
          hints: [...error.hints, 'nothing has reached the worker; run the same dispatch again later'],
        });
      }
      stderr.write(`${oneLine(error.message)}; checking whether it was queued\n`);
      return await settle(context, worker, request, timeoutMs);
    }
    return parseDispatchAnswer(frame, request, worker.name, context.commandLine);
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    throw InterruptedError.by(
      signal,
      `interrupted; ${worker.name} may still queue ${describeRequest(request)}. Running it again never queues it twice`,
    );
  }
}

/** How often, and at what interval, to ask a worker about the dispatch. */
const SETTLE_TRIES = 5;
const SETTLE_PAUSE_MS = 2_000;

/** The limit for all tries together, as the help says: this many times the --timeout, and at most SETTLE_LIMIT_MS. */
const SETTLE_TIMEOUTS = 2;
const SETTLE_LIMIT_MS = 120_000;

/** The limit for one try: longer than a withdrawal waits for the queue. */
const SETTLE_TRY_MS = 45_000;

/**
 * Withdraws the dispatch and looks: what has not been added by then never will be.
 *
 * @param givenMs the --timeout
 * @throws CliError when the worker does not answer
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
            'run the same dispatch again once the worker answers: it never queues anything twice',
            ...trouble.hints,
          ],
        },
      );
    }
    await pause(SETTLE_PAUSE_MS, signal);
  }
}
