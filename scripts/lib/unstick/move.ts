/** A new order of the rows that wait: which are to be added again, and what the worker says of it. Pure. */
import { CliError, UsageError } from '../cli/errors.ts';
import { enumerate } from '../cli/text.ts';
import { parseError } from '../factory.ts';
import type { Frame } from '../transport/frame.ts';
import { itemName } from '../worker/queue.ts';
import { parseSnapshot, type QueueItem, type Snapshot } from '../worker/snapshot.ts';

/** What scripts/remote/queue-move.sh reads. */
export interface MoveRequest {
  /** The operator, for the record on the worker: `user@host`. */
  readonly by: string;
  /** For the same record: the issues that the operator has named. */
  readonly moved: readonly number[];
  /** The rows to add again, in this order; none to only finish an earlier move. */
  readonly issues: readonly number[];
  /** Their projects. */
  readonly projects: readonly string[];
  /** The rows that waited when this was planned: when others wait by now, nothing is changed. */
  readonly seen: readonly number[];
}

export interface WantedMove {
  readonly issues: readonly number[];
  /** The row before which they go; null for the top. */
  readonly before: number | null;
  readonly worker: string;
}

export interface MovePlan {
  /** All rows that wait, in their new order. */
  readonly order: readonly QueueItem[];
  /** Those that have to be added again; empty when the order is right already. */
  readonly again: readonly QueueItem[];
}

/**
 * @throws UsageError when a row cannot be moved, or there is none to move it before; CliError when factory could not tell two
 *   rows apart, or would not know the project of one
 */
export function planMove(
  { queue }: Pick<Snapshot, 'queue'>,
  { issues, before, worker }: WantedMove,
): MovePlan {
  const waiting = queue.filter(({ status }) => status === 'pending').sort((a, b) => a.position - b.position);
  for (const issue of [...issues, ...(before === null ? [] : [before])]) {
    if (waiting.some((row) => row.issue === issue)) continue;
    const row = queue.find((candidate) => candidate.issue === issue);
    throw new UsageError(
      row === undefined
        ? `#${issue} is not in the queue of ${worker}`
        : `${itemName(row)} is ${row.status}: only rows that wait have an order`,
    );
  }
  if (before !== null && issues.includes(before)) throw new UsageError(`#${before} cannot be before itself`);
  const moved = issues.flatMap((issue) => waiting.filter((row) => row.issue === issue));
  const others = waiting.filter((row) => !issues.includes(row.issue));
  const at = before === null ? 0 : others.findIndex((row) => row.issue === before);
  const order = [...others.slice(0, at), ...moved, ...others.slice(at)];
  const again = order.slice(rightAlready(order));
  const twice = again.find((row) => queue.some((other) => other !== row && other.issue === row.issue));
  if (twice !== undefined) {
    throw new CliError(
      `#${twice.issue} is in the queue twice, for two projects: factory cannot tell them apart`,
    );
  }
  const unknown = again.find(({ owner }) => owner === null);
  if (unknown !== undefined) throw new CliError(`it is not known which project #${unknown.issue} belongs to`);
  return { order, again };
}

/** How many rows at the beginning need not be touched: their positions grow. A row that is added again comes after all others. */
function rightAlready(order: readonly QueueItem[]): number {
  const early = order.findIndex((row, index) => row.position < (order[index - 1]?.position ?? 0));
  return early < 0 ? order.length : early;
}

/**
 * @param frame the answer of scripts/remote/queue-move.sh
 * @param again how the operator types it again
 * @returns the worker afterwards
 * @throws CliError when not everything was done
 */
export function parseMove(frame: Frame, again: string): Snapshot {
  const busy = frame.parts.get('busy');
  if (busy) throw new CliError(`nothing was changed: ${busy.text}`, { hints: ['type it again'] });
  if (frame.parts.has('changed')) {
    throw new CliError('nothing was changed: other rows wait by now', { hints: ['type it again'] });
  }
  const moved = frame.parts.get('moved');
  if (moved?.rc !== 0) {
    throw new CliError(`not every row was moved: ${parseError(moved?.text ?? 'no answer')}`, {
      hints: [`no row is lost; finish it: ${again}`],
    });
  }
  return parseSnapshot(frame);
}

/** `demo#25 and demo#26 come next, before demo#23`. */
export function describeMove(issues: readonly number[], { order }: Pick<MovePlan, 'order'>): string {
  const moved = order.filter((row) => issues.includes(row.issue)).map(itemName);
  const last = order.findLastIndex((row) => issues.includes(row.issue));
  const behind = order[last + 1];
  const where = order.findIndex((row) => issues.includes(row.issue)) === 0 ? 'next' : 'earlier';
  const verb = moved.length === 1 ? 'comes' : 'come';
  return `${enumerate(moved)} ${verb} ${where}${behind === undefined ? '' : `, before ${itemName(behind)}`}`;
}
