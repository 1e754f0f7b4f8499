/** What has happened in a worker between two looks. Pure. */

import { findPrompt, OF_THE_ACCOUNT } from '../claude/prompts.ts';
import { isBehind, type Pipeline } from '../factory.ts';
import type { PaneView } from '../health/inside.ts';
import type { Observation } from '../health/observe.ts';
import { accountHold, waitsForAccount } from '../worker/account.ts';
import { isQueueUnknown, itemName } from '../worker/queue.ts';
import { parseStageName } from '../worker/sessions.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import type { Status } from '../worker/status.ts';

export type EventKind =
  | 'issue-completed'
  | 'issue-failed'
  | 'issue-blocked'
  | 'session-waits'
  | 'limit-hit'
  | 'worker-trouble'
  | 'worker-recovered';

export interface WatchEvent {
  /** RFC 3339, by the clock of this machine. */
  readonly at: string;
  readonly worker: string;
  readonly event: EventKind;
  /** What it is about: `demo#23`, `23-qa-1`, or the worker's status. */
  readonly subject: string;
  /** One sentence. */
  readonly text: string;
  /** What to type; may be empty. */
  readonly next: readonly string[];
}

type News = Omit<WatchEvent, 'at' | 'worker'>;

interface IssueState {
  /** `demo#23`. */
  readonly name: string;
  readonly state: string;
}

/** What is known of a worker after a look. */
export interface Known {
  /** What was told to be wrong with the worker itself; null when nothing is. */
  readonly trouble: Status | null;
  /** So many looks in a row found it unreachable. */
  readonly misses: number;
  /** How each issue stands; null while the worker was never asked with success. */
  readonly issues: ReadonlyMap<number, IssueState> | null;
  /** What goes on now and was told, by its key; told again only after it was over. */
  readonly standing: ReadonlySet<string>;
}

/** One look that fails is a lost packet, or a laptop that was asleep. */
const MISSES = 2;

/** Nobody has to be called for these: they pass, or somebody wanted them. */
const QUIET: readonly Status[] = ['running', 'starting', 'draining', 'drained', 'stopped', 'pending'];

/** A pod that ended by itself (evicted, say) is there still; one that was scaled away is not. */
function isQuiet({ status, pod }: Observation): boolean {
  return QUIET.includes(status) && !(status === 'stopped' && pod !== null);
}

/**
 * @param known null before the first look, which tells what is wrong now but not what has ended before
 * @param panes what the worker's panes show; empty when it could not be asked
 * @param typed how to type a look into a session, and an answer to it
 */
export function eventsOf(
  known: Known | null,
  seen: Observation,
  panes: readonly PaneView[],
  typed: (command: 'peek' | 'answer', session: string) => string,
): { readonly known: Known; readonly news: readonly News[] } {
  const misses = seen.status === 'unreachable' ? (known?.misses ?? 0) + 1 : 0;
  if (misses > 0 && misses < MISSES) {
    return {
      known: { issues: null, standing: new Set(), trouble: null, ...known, misses },
      news: [],
    };
  }
  const { snapshot } = seen;
  const readable = snapshot !== null && !isQueueUnknown(snapshot);
  const issues = readable ? issueStates(snapshot) : (known?.issues ?? null);
  const found = [...troubles(seen), ...(snapshot === null ? [] : attention(snapshot, panes, typed))];
  const keys = new Set(found.map(({ key }) => key));
  // Of a worker that cannot be asked nobody knows whether its sessions still wait.
  const standing = snapshot === null ? new Set([...(known?.standing ?? []), ...keys]) : keys;
  const ended = ends(known?.issues ?? null, issues, seen);
  const blocked = ended.some(({ event }) => event === 'issue-blocked');
  const news = found
    .filter(({ key }) => !known?.standing.has(key))
    // That the worker is stuck behind it is the same piece of news.
    .filter(({ key }) => !(blocked && key === BEHIND_BLOCKED))
    .map(({ news: item }) => item);
  return {
    known: { trouble: isQuiet(seen) ? null : seen.status, misses, issues, standing },
    news: [...ended, ...recovery(known, seen), ...news],
  };
}

interface Finding {
  readonly key: string;
  readonly news: News;
}

const PIPELINE_BLOCKED = 'pipeline-blocked';
/** The key of a worker whose trouble is, first of all, a blocked issue. */
const BEHIND_BLOCKED = `worker stuck ${PIPELINE_BLOCKED}`;

/** The worker itself; who it is stands beside it wherever it is shown. */
function troubles(seen: Observation): Finding[] {
  if (isQuiet(seen)) return [];
  const { worker, status, problems } = seen;
  const [first] = problems;
  // Of a worker that cannot be entered the cause begins with that.
  const cause = first?.cause.replace(`${worker.name} is ${status}: `, '');
  const text = cause === undefined ? status : `${status}: ${cause}`;
  return [
    {
      key: `worker ${status} ${first?.id ?? ''}`,
      news: { event: 'worker-trouble', subject: status, text, next: first?.next ?? [] },
    },
  ];
}

function recovery(known: Known | null, seen: Observation): News[] {
  const before = known?.trouble ?? null;
  if (before === null || !isQuiet(seen)) return [];
  const text = `${seen.status} again; it was ${before}`;
  return [{ event: 'worker-recovered', subject: seen.status, text, next: [] }];
}

/** Sessions that wait for a person, and limits. */
function attention(
  snapshot: Snapshot,
  panes: readonly PaneView[],
  typed: (command: 'peek' | 'answer', session: string) => string,
): Finding[] {
  const { queue, pipelines } = snapshot;
  // The worker's own trouble then, told once and not for each session.
  const held = accountHold(snapshot) !== null;
  const named = (issue: number) => {
    const row = queue.find((item) => item.issue === issue);
    return row === undefined ? `#${issue}` : itemName(row);
  };
  const found = panes.flatMap(({ session, lines }): Finding[] => {
    const prompt = findPrompt(lines);
    if (prompt === null || (held && OF_THE_ACCOUNT.has(prompt.id))) return [];
    const issue = parseStageName(session)?.issue;
    const limit = prompt.id === 'rate-limit';
    return [
      {
        key: limit && issue !== undefined ? `limit ${issue}` : `${prompt.id} ${session}`,
        news: {
          event: limit ? 'limit-hit' : 'session-waits',
          subject: session,
          text: `${session} ${prompt.says}`,
          next: [
            prompt.takes === 'choice'
              ? `answer it: ${typed('answer', session)}`
              : `look: ${typed('peek', session)}`,
          ],
        },
      },
    ];
  });
  const limited = pipelines
    .filter(({ status }) => status === 'rate_limited' && !held)
    .map(
      ({ issue, stage }): Finding => ({
        key: `limit ${issue}`,
        news: {
          event: 'limit-hit',
          subject: named(issue),
          text: `${named(issue)} has hit the limit of its account at stage ${stage}; it is tried again at each check-in`,
          next: [],
        },
      }),
    );
  // What a pane says and what the pipeline says is one event.
  return [...new Map([...limited, ...found].map((finding) => [finding.key, finding])).values()];
}

const ENDED: Readonly<Record<string, EventKind>> = {
  completed: 'issue-completed',
  failed: 'issue-failed',
  blocked: 'issue-blocked',
};

/** How each issue stands: the pipeline's word where it says more, else the row's. */
function issueStates(snapshot: Snapshot): Map<number, IssueState> {
  const { queue, pipelines } = snapshot;
  const states = new Map<number, IssueState>();
  // A stage that is run again by itself does not need a person.
  const stateOf = (pipeline: Pipeline) =>
    pipeline.status === 'blocked' && waitsForAccount(snapshot, pipeline) ? 'in_progress' : pipeline.status;
  for (const pipeline of pipelines) {
    states.set(pipeline.issue, { name: `#${pipeline.issue}`, state: stateOf(pipeline) });
  }
  for (const item of queue) {
    const own = item.pipeline === null ? item.status : stateOf(item.pipeline);
    const saysMore = own === 'blocked' || own === 'failed' || isBehind(item, pipelines);
    const state = saysMore ? own : item.status;
    states.set(item.issue, { name: itemName(item), state });
  }
  return states;
}

function ends(before: Known['issues'], after: Known['issues'], { problems }: Observation): News[] {
  if (before === null || after === null) return [];
  return [...after].flatMap(([issue, { name, state }]): News[] => {
    const event = ENDED[state];
    if (event === undefined || before.get(issue)?.state === state) return [];
    const cures = problems.find(({ id, cause }) => id === PIPELINE_BLOCKED && cause.startsWith(`#${issue} `));
    const text = `${name} ${state === 'failed' ? 'has failed' : `is ${state}`}`;
    return [{ event, subject: name, text, next: cures?.next ?? [] }];
  });
}
