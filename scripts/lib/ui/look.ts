/** What the dashboard observes: all workers again and again, and the pane of the selected session. */
import type { Context } from '../cli/command.ts';
import { pause } from '../cli/pause.ts';
import { withoutControls } from '../cli/safe-text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { type PaneView, parsePanes } from '../health/inside.ts';
import { type Observation, observeWith, unexpected } from '../health/observe.ts';
import { maskTokens } from '../tokens.ts';
import { TransportError } from '../transport/transport.ts';
import { CONCURRENCY, fanOut, guarded } from '../worker/fan-out.ts';
import { createReach, type Entrance } from '../worker/observe.ts';

/**
 * Observes every worker at each interval. A worker that takes longer delays only itself: it is asked again when it has answered.
 *
 * @returns never; throws when interrupted, or when kubectl is missing
 */
export async function observeAll(
  context: Context,
  workers: readonly WorkerEntry[],
  { timeoutMs, intervalMs }: { readonly timeoutMs: number; readonly intervalMs: number },
  tell: (seen: Observation, panes: readonly PaneView[]) => void,
): Promise<never> {
  const asked = new Set<string>();
  const call = { script: 'look', args: ['brief', 'panes'] };
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  for (;;) {
    const reach = createReach(context, timeoutMs);
    const look = async (worker: WorkerEntry): Promise<void> => {
      const { seen, frame } = await observeWith(reach, worker, call, context, timeoutMs);
      tell(seen, frame === null ? [] : parsePanes(frame));
    };
    const due = workers.filter(({ name }) => !asked.has(name));
    for (const { name } of due) asked.add(name);
    fanOut(due, CONCURRENCY, async (worker) => {
      await guarded(look, (_, sentence) => tell(unexpected(worker, sentence), []))(worker);
      asked.delete(worker.name);
    }).catch(fail);
    await Promise.race([pause(intervalMs, context.signal), failed]);
  }
}

/** How many lines of a pane are read: more than a terminal has rows. */
const LINES = 100;

/** Reads the last lines of a session's pane; where it cannot be read, gives the reason. */
export type ReadPane = (worker: WorkerEntry, session: string) => Promise<readonly string[]>;

/** Finds the entrance to a worker only once, as long as it leads there. */
export function paneReader(context: Context, timeoutMs: number): ReadPane {
  const entrances = new Map<string, Promise<Entrance>>();
  return async (worker, session) => {
    const entrance = entrances.get(worker.name) ?? createReach(context, timeoutMs).enter(worker);
    entrances.set(worker.name, entrance);
    try {
      const { transport } = await entrance;
      const call = { script: 'peek', args: [session, `${LINES}`, 'no'], timeoutMs, signal: context.signal };
      const pane = (await transport.run(call)).parts.get('pane');
      if (pane === undefined || pane.rc !== 0) return [`${session} has ended`];
      return withoutControls(maskTokens(pane.text)).trimEnd().split('\n');
    } catch (error) {
      entrances.delete(worker.name);
      if (!(error instanceof TransportError)) throw error;
      return [withoutControls(error.message)];
    }
  };
}
