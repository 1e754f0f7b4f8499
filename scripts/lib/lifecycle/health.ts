/** How a worker is once it has been started, in lines for people. */
import type { Context } from '../cli/command.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { observe } from '../health/observe.ts';
import { createReach } from '../worker/observe.ts';

export interface Health {
  /** The word of the STATUS column. */
  readonly status: string;
  /** What is wrong, each with its next steps below it. */
  readonly problems: readonly string[];
}

export async function healthOf(worker: WorkerEntry, context: Context, timeoutMs: number): Promise<Health> {
  const { status, problems } = await observe(
    createReach(context, timeoutMs),
    worker,
    'brief',
    context,
    timeoutMs,
  );
  return {
    status,
    problems: problems.flatMap(({ cause, next }) => [`! ${cause}`, ...next.map((line) => `    ${line}`)]),
  };
}
