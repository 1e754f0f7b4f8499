/** The events between two looks at a worker. Pure. */
import { count } from '../cli/text.ts';
import { isBehind, type Pipeline } from '../factory.ts';
import type { Finding, Severity } from '../health/facts.ts';
import type { PaneView } from '../health/inside.ts';
import type { Observation } from '../health/observe.ts';
import { describeOutage, isHit, type Outage } from '../health/outages.ts';
import { ASKS } from '../health/probe-rules.ts';
import { severityOf } from '../health/report.ts';
import { limitedPipelines, waitingPanes } from '../health/work-rules.ts';
import { isBlocked } from '../worker/account.ts';
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
  | 'worker-warning'
  | 'worker-note'
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
  /** The names, where one event stands for those of several workers. */
  readonly workers?: readonly string[];
}

type News = Omit<WatchEvent, 'at' | 'worker'>;

interface IssueState {
  /** `demo#23`. */
  readonly name: string;
  readonly state: string;
}

/** What is known about a worker after a look. */
export interface Known {
  /** What was told to be wrong with the worker itself; null when nothing is. */
  readonly trouble: Status | null;
  /** How many looks in a row were in vain. */
  readonly misses: number;
  /** How each issue stands; null while the worker was never asked with success. */
  readonly issues: ReadonlyMap<number, IssueState> | null;
  /** What goes on now and was told, by its key; told again only after it was over. */
  readonly standing: ReadonlySet<string>;
  /** Warnings that the last look saw first, by their keys: they are told if the next one sees them too. */
  readonly fresh: ReadonlySet<string>;
}

type Typed = (command: 'peek' | 'answer', session: string) => string;

/** A single look in vain may be a lost packet, a laptop that was asleep, or a database that others kept locked for too long. */
const MISSES = 2;

/** Whether a look was in vain. */
function isMiss({ status, snapshot }: Observation): boolean {
  return status === 'unreachable' || (snapshot !== null && isQueueUnknown(snapshot));
}

/** Whether there is no need to alert anyone: the status is wanted, or passes. */
function isQuiet({ status, pod }: Observation): boolean {
  return severityOf(status, pod) === 'info';
}

/**
 * @param known null before the first look, which tells what is wrong now but not what has ended before
 * @param panes what the worker's panes show; empty when it could not be asked
 * @param typed how to type a look into a session, and an answer to it
 * @param least what is said of the worker itself is at least so severe
 */
export function eventsOf(
  known: Known | null,
  observation: Observation,
  panes: readonly PaneView[],
  typed: Typed,
  least: Severity,
): { readonly known: Known; readonly news: readonly News[] } {
  const seen = withoutQuestion(observation);
  const misses = isMiss(seen) ? (known?.misses ?? 0) + 1 : 0;
  if (misses > 0 && misses < MISSES) {
    return {
      known: { issues: null, standing: new Set(), fresh: new Set(), trouble: null, ...known, misses },
      news: [],
    };
  }
  const { snapshot } = seen;
  const readable = snapshot !== null && !isQueueUnknown(snapshot);
  const issues = readable ? issueStates(snapshot) : (known?.issues ?? null);
  const states = ofWorker(seen).filter(({ severity }) => RANK[severity] <= RANK[least]);
  const isFresh = ({ severity, key }: State) =>
    severity === 'warning' && !known?.fresh.has(key) && !known?.standing.has(key);
  const found = [
    ...states.filter((state) => !isFresh(state)),
    ...(snapshot === null ? [] : attention(snapshot, panes, typed)),
  ];
  const keys = new Set(found.map(({ key }) => key));
  // For a worker that cannot be entered, it is unknown whether its sessions still wait.
  const standing = snapshot === null ? new Set([...(known?.standing ?? []), ...keys]) : keys;
  const ended = ends(known?.issues ?? null, issues, seen);
  const blocked = ended.some(({ event }) => event === 'issue-blocked');
  const news = found
    .filter(({ key }) => !known?.standing.has(key))
    // That the worker is stuck behind it is the same piece of news.
    .filter(({ key }) => !(blocked && key.includes(` ${PIPELINE_BLOCKED} `)))
    .map(({ news: item }) => item);
  return {
    known: {
      trouble: isQuiet(seen) ? null : seen.status,
      misses,
      issues,
      standing,
      fresh: new Set(states.filter(isFresh).map(({ key }) => key)),
    },
    news: [...ended, ...recovery(known, seen), ...news],
  };
}

/** A question is news of the session that asks, not of its worker as well. */
function withoutQuestion(seen: Observation): Observation {
  const problems = seen.problems.filter(({ id }) => id !== ASKS);
  if (problems.length === seen.problems.length) return seen;
  const status = problems.find((finding) => finding.status !== null)?.status ?? 'running';
  return { ...seen, problems, status };
}

/** Something that goes on now. */
interface Standing {
  readonly key: string;
  readonly news: News;
}

/** The same of the worker itself. */
interface State extends Standing {
  readonly severity: Severity;
}

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

const EVENT_OF: Readonly<Record<Severity, EventKind>> = {
  error: 'worker-trouble',
  warning: 'worker-warning',
  info: 'worker-note',
};

const PIPELINE_BLOCKED = 'pipeline-blocked';

/** An issue's number in a cause tells two findings of a rule apart; ages and sizes do not. */
const keyOf = ({ id, cause }: Finding) => `${id} ${/#\d+/.exec(cause)?.[0] ?? ''}`;

/** The worker itself; who it is stands beside it wherever it is shown. */
function ofWorker(seen: Observation): State[] {
  const { worker, status, problems } = seen;
  const deciding = problems.find((finding) => finding.status === status) ?? problems[0];
  const stateOf = (finding: Finding, severity: Severity, word: Status | null): State => {
    // Of a worker that cannot be entered the cause begins with that.
    const cause = finding.cause.replace(`${worker.name} is ${status}: `, '');
    return {
      key: `worker ${word ?? ''} ${keyOf(finding)}`,
      severity,
      news: {
        event: EVENT_OF[severity],
        subject: word ?? finding.id,
        text: word === null ? cause : `${word}: ${cause}`,
        next: finding.next,
      },
    };
  };
  // While it starts or stops, other problems may appear that pass.
  if (isQuiet(seen) && status !== 'running')
    return deciding === undefined ? [] : [stateOf(deciding, 'info', status)];
  return problems.flatMap((finding) => {
    const severity = finding === deciding && !isQuiet(seen) ? 'error' : finding.severity;
    if (severity === 'error') return [stateOf(finding, severity, finding.status ?? status)];
    return severity === 'warning' ? [stateOf(finding, severity, null)] : [];
  });
}

function recovery(known: Known | null, seen: Observation): News[] {
  const before = known?.trouble ?? null;
  if (before === null || !isQuiet(seen)) return [];
  const text = `${seen.status} again; it was ${before}`;
  return [{ event: 'worker-recovered', subject: seen.status, text, next: [] }];
}

/** Sessions that wait for the operator, and limits. */
function attention(snapshot: Snapshot, panes: readonly PaneView[], typed: Typed): Standing[] {
  const { queue } = snapshot;
  const named = (issue: number) => {
    const row = queue.find((item) => item.issue === issue);
    return row === undefined ? `#${issue}` : itemName(row);
  };
  const found = waitingPanes(snapshot, panes).map(({ session, prompt }): Standing => {
    const issue = parseStageName(session)?.issue;
    const limit = prompt.id === 'rate-limit';
    return {
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
    };
  });
  const limited = limitedPipelines(snapshot).map(
    ({ issue, stage }): Standing => ({
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
  return [...new Map([...limited, ...found].map((standing) => [standing.key, standing])).values()];
}

const ENDED: Readonly<Record<string, EventKind>> = {
  completed: 'issue-completed',
  failed: 'issue-failed',
  blocked: 'issue-blocked',
};

/** The state of each issue: the pipeline's status if it says more, otherwise the row's. */
function issueStates(snapshot: Snapshot): Map<number, IssueState> {
  const { queue, pipelines } = snapshot;
  const states = new Map<number, IssueState>();
  // A stage that is retried automatically does not need the operator.
  const stateOf = (pipeline: Pipeline) =>
    pipeline.status === 'blocked' && !isBlocked(snapshot, pipeline) ? 'in_progress' : pipeline.status;
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
