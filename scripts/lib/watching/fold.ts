/** Makes one event of those that have one cause: a cluster that is gone, or is back. Pure. */
import { count } from '../cli/text.ts';
import { describeOutage, isHit, type Outage } from '../health/outages.ts';
import type { WatchEvent } from './events.ts';

/**
 * @param events of one poll
 * @param outages what that poll found
 * @returns the events, each group as one at the place of its first
 */
export function fold(events: readonly WatchEvent[], outages: readonly Outage[]): WatchEvent[] {
  const folded = new Map<unknown, WatchEvent[]>();
  for (const event of events) {
    const key = cause(event, outages) ?? event;
    folded.set(key, [...(folded.get(key) ?? []), event]);
  }
  return [...folded].flatMap(([key, group]) => {
    const [first] = group;
    if (first === undefined || group.length === 1) return group;
    const workers = group.map(({ worker }) => worker);
    const outage = outages.find((one) => one === key);
    // Not every worker of an outage is news in the same poll.
    const text =
      outage === undefined ? first.text.replace('; it was ', '; they were ') : describeOutage(outage);
    return [{ ...first, worker: count(workers.length, 'worker'), text, workers }];
  });
}

/** What an event has in common with others; null when it stands alone. */
function cause({ event, worker, subject, text }: WatchEvent, outages: readonly Outage[]): unknown {
  if (event === 'worker-recovered') return `${event} ${text}`;
  return outages.find((outage) => subject === outage.status && isHit(outage, worker));
}
