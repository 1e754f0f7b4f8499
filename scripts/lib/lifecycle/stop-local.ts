/** Stops a local worker once its running stage has ended, or at once; then it says what that interrupts. */
import type { Context } from '../cli/command.ts';
import type { LocalWorker } from '../config/worker-entry.ts';
import { lift, type Rest, resting } from '../drain/resting.ts';
import { localWorkerState } from '../local/state.ts';
import { type StopResult, stopLocalWorker } from '../local/stop.ts';
import { lookInside } from './look.ts';

/**
 * Drains the worker and waits for its running stage, as `stop` does in a cluster; with `waitMs` 0 it interrupts the stage.
 * No drain is left in its folder: whatever starts the worker again, it works.
 *
 * @throws CliError (exit 124) when the stage does not end in time; the worker then runs on
 */
export async function endLocalWorker(worker: LocalWorker, rest: Rest, context: Context): Promise<StopResult> {
  const { running } = await localWorkerState(worker.home, context.exec);
  const waits = running && rest.waitMs > 0;
  if (waits) {
    await resting(worker, rest, context).begin();
  } else if (running) {
    const inside = await lookInside(worker, context, rest.timeoutMs);
    if (inside.entered && inside.runs !== null) {
      rest.say(`${inside.runs} is interrupted; the next start resumes it`);
    }
  }
  const result = await stopLocalWorker(worker.home, { onProgress: rest.say });
  // Of another owner's drain, which stays, begin() has told already.
  if (waits) await lift(worker, context, rest.timeoutMs);
  return result;
}
