/** What can be removed from a worker's disk, and what has to stay and why. Pure. */
import { count } from '../cli/text.ts';
import type { CleanupOutcome } from '../contract.ts';
import { isLive } from '../factory.ts';
import { readLines, wholeNumber } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import { parseStageName } from '../worker/sessions.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';
import { parseDockerKinds, sumImageBytes } from './usage.ts';

export interface Item {
  readonly kind: 'worktree' | 'log' | 'docker';
  /** Shown to the operator: `worktree demo#23`, `log 23-qa-1`, `Docker build cache`. */
  readonly what: string;
  /** For scripts/remote/cleanup.sh. */
  readonly id: string;
  readonly issue: number | null;
  readonly bytes: number;
  /** Why it stays; null when it can be removed. */
  readonly keep: string | null;
}

/**
 * @param frame the answer of scripts/remote/cleanup-look.sh
 * @param named issues whose unsaved work may be removed too; never one that is being worked on
 * @returns all items, removable ones first, then by size
 * @throws ContractError when the answer does not come from that script
 */
export function planCleanup(frame: Frame, named: readonly number[]): Item[] {
  const snapshot = parseSnapshot(frame);
  const rows = (part: string) =>
    (frame.parts.get(part)?.text ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  const worktrees = rows('worktrees').map(
    ([project = '', number, size, changed, unpushed, locked, path = '']): Item => {
      const read = (text?: string) => wholeNumber(text, 'the worker gives no readable list of its worktrees');
      const issue = read(number);
      const unsaved = { changed: read(changed), unpushed: read(unpushed) };
      return {
        kind: 'worktree',
        what: `worktree ${project}#${issue}`,
        id: `worktree ${path}`,
        issue,
        bytes: read(size),
        keep:
          reasonToKeep(issue, snapshot, named) ??
          reasonOfWork({ ...unsaved, locked: read(locked) !== 0 }, issue, named),
      };
    },
  );
  const logs = rows('recordings').flatMap(([name = '', size]): Item[] => {
    const issue = parseStageName(name)?.issue;
    // Other recordings belong to a person.
    if (issue === undefined) return [];
    return [
      {
        kind: 'log',
        what: `log ${name}`,
        id: `log ${name}`,
        issue,
        bytes: wholeNumber(size, 'the worker gives no readable list of its recordings'),
        keep: reasonToKeep(issue, snapshot, named),
      },
    ];
  });
  return [...worktrees, ...logs, ...dockerItems(frame)].sort(
    (a, b) => Number(a.keep !== null) - Number(b.keep !== null) || b.bytes - a.bytes,
  );
}

/**
 * Why nothing can be said of the worktrees and logs: then all of them stay.
 *
 * @returns null when the worker's answers were whole
 */
export function whyUnjudged(frame: Frame): string | null {
  const fault = blindness(parseSnapshot(frame));
  return fault === undefined ? null : `factory cannot say what is worked on: ${fault.message}`;
}

function blindness({ faults }: Pick<Snapshot, 'faults'>) {
  return faults.find(({ part }) => part === 'queue' || part === 'pipelines');
}

/** Build cache and unnamed images; volumes and named images may belong to a person. */
function dockerItems({ parts }: Frame): Item[] {
  const text = (name: string) => (parts.get(name)?.rc === 0 ? (parts.get(name)?.text ?? '') : '');
  const cache = parseDockerKinds(text('docker')).find(({ type }) => type === 'Build Cache');
  const items: Item[] = [
    {
      kind: 'docker',
      what: 'Docker build cache',
      id: 'docker builder',
      issue: null,
      bytes: cache?.reclaimableBytes ?? 0,
      keep: null,
    },
    {
      kind: 'docker',
      what: 'Docker images without a name',
      id: 'docker image',
      issue: null,
      bytes: sumImageBytes(text('docker-images')),
      keep: null,
    },
  ];
  return items.filter(({ bytes }) => bytes > 0);
}

/** Why nothing of an issue can be removed; null when it is finished. */
function reasonToKeep(
  issue: number,
  { queue, pipelines, sessions, locks, faults }: Snapshot,
  named: readonly number[],
): string | null {
  if (blindness({ faults }) !== undefined) return 'factory cannot say what is worked on';
  const row = queue.find((item) => item.issue === issue);
  const pipeline = pipelines.find((candidate) => candidate.issue === issue);
  if (pipeline !== undefined && isLive(pipeline)) return `#${issue} is ${pipeline.status}`;
  if (row?.status === 'pending') return `#${issue} waits in the queue`;
  // Only a check-in could be about to begin it.
  const notBegun = row?.status === 'active' && pipeline === undefined;
  if (notBegun && locks.checkIn) return `#${issue} is being worked on`;
  const session = sessions.find(({ stage }) => stage?.issue === issue);
  if (session !== undefined) return `session ${session.name} runs`;
  if (notBegun && !named.includes(issue)) {
    return `#${issue} was taken from the queue and not begun; --issue ${issue} removes it all the same`;
  }
  if (row === undefined && pipeline === undefined && !named.includes(issue)) {
    return `nothing says that #${issue} is finished; --issue ${issue} removes it all the same`;
  }
  return null;
}

function reasonOfWork(
  { changed, unpushed, locked }: { changed: number; unpushed: number; locked: boolean },
  issue: number,
  named: readonly number[],
): string | null {
  if (named.includes(issue) || (changed === 0 && unpushed === 0 && !locked)) return null;
  const unsaved = [
    ...(locked ? ['locked in git'] : []),
    ...(changed > 0 ? [`${count(changed, 'file')} not committed`] : []),
    ...(unpushed > 0 ? [`${count(unpushed, 'commit')} not pushed`] : []),
  ];
  return `${unsaved.join(', ')}; --issue ${issue} removes it all the same`;
}

/** The order of removal: what takes long comes last. */
export function removalOrder(items: readonly Item[]): string[] {
  const rank = ({ kind }: Item) => ['worktree', 'log', 'docker'].indexOf(kind);
  return items
    .filter(({ keep }) => keep === null)
    .sort((a, b) => rank(a) - rank(b))
    .map(({ id }) => id);
}

/** What scripts/remote/cleanup.sh is asked for. */
export interface CleanupRequest {
  /** The operator, for the record on the worker: `user@host`. */
  readonly by: string;
  /** Issues whose unsaved work may be removed too. */
  readonly named: readonly number[];
  /** `worktree PATH`, `log NAME`, `docker builder` or `docker image`. */
  readonly items: readonly string[];
}

/**
 * @param frame the answer of scripts/remote/cleanup.sh
 * @throws ContractError when the answer does not come from that script
 */
export function parseOutcomes({ parts }: Frame): CleanupOutcome[] {
  return readLines(
    'cleanupOutcome',
    'what the worker says of the clean-up',
    parts.get('outcomes')?.text ?? '',
  );
}
