import { describe, expect, it } from 'vitest';
import type { Finding, Severity } from '../../scripts/lib/health/facts.ts';
import type { PaneView } from '../../scripts/lib/health/inside.ts';
import type { Observation } from '../../scripts/lib/health/observe.ts';
import { severityOf } from '../../scripts/lib/health/report.ts';
import { podFacts } from '../../scripts/lib/transport/pods.ts';
import { eventsOf, type Known } from '../../scripts/lib/watching/events.ts';
import type { Status } from '../../scripts/lib/worker/status.ts';
import { captured } from '../claude/captured.ts';
import { NOW, pod } from '../transport/cluster.ts';
import { heldHeartbeat, type Parts, pipelinesJson, queueJson, snapshot } from '../worker/samples.ts';

const worker = { runtime: 'local', name: 'w', home: '/w' } as const;

/** A look that found the worker in a state; without parts it could not be asked. */
interface Look {
  /** Found besides what decides the status. */
  readonly more?: readonly Finding[];
  readonly status?: Status;
  readonly cause?: string;
  readonly parts?: Parts | null;
  readonly panes?: readonly PaneView[];
}

function observation({ status = 'running', cause = 'why', parts = {}, more = [] }: Look): Observation {
  const finding = {
    id: status,
    severity: severityOf(status),
    status,
    cause,
    evidence: [],
    next: ['type this'],
  };
  const problems = status === 'running' ? more : [finding, ...more];
  return {
    worker,
    status,
    problems,
    pod: null,
    lastSeen: null,
    snapshot: parts === null ? null : snapshot(parts),
  };
}

/** The events of each look, as `kind: sentence`. */
function watch(...looks: readonly Look[]): string[][] {
  return watchFor('warning', ...looks);
}

function watchFor(least: Severity, ...looks: readonly Look[]): string[][] {
  let known: Known | null = null;
  return looks.map((look) => {
    const after = eventsOf(
      known,
      observation(look),
      look.panes ?? [],
      (command, session) => `${command} ${session}`,
      least,
    );
    known = after.known;
    return after.news.map(({ event, text }) => `${event}: ${text}`);
  });
}

const pane = (session: string, ...lines: string[]): PaneView => ({ session, program: 'claude', lines });
const row = (status: string): Look => ({ parts: { queue: queueJson([23, status]) } });

describe('an issue', () => {
  it.each([
    ['completed', 'issue-completed: demo#23 is completed'],
    ['failed', 'issue-failed: demo#23 has failed'],
  ])('that is %s is told once', (status, event) => {
    expect(watch(row('active'), row(status), row(status))).toEqual([[], [event], []]);
  });

  it('that is completed is told once, also when its row says so later or never', () => {
    const pipelines = pipelinesJson({ issue: 23, status: 'completed' });
    const behind: Look = { parts: { queue: queueJson([23, 'active']), pipelines } };
    const gone: Look = { parts: { pipelines } };
    const told = [[], ['issue-completed: demo#23 is completed'], []];
    expect(watch(row('active'), behind, row('completed'))).toEqual(told);
    expect(watch(row('active'), behind, gone)).toEqual(told);
  });

  it('that had ended before the first look is not told', () => {
    expect(watch(row('completed'), row('completed'))).toEqual([[], []]);
  });

  it('that comes and ends between two looks is told, and so is one that is run again', () => {
    expect(watch({}, row('completed'), row('pending'), row('completed'))).toEqual([
      [],
      ['issue-completed: demo#23 is completed'],
      [],
      ['issue-completed: demo#23 is completed'],
    ]);
  });

  it('that is blocked is told, whatever its row says', () => {
    const blocked = {
      queue: queueJson([23, 'active']),
      pipelines: pipelinesJson({ issue: 23, status: 'blocked' }),
    };
    expect(watch(row('active'), { parts: blocked })[1]).toContain('issue-blocked: demo#23 is blocked');
    // With its cures, and once: the worker that is stuck behind it is no second event, unless it is the first look.
    const seen: Observation = {
      ...observation({ parts: blocked }),
      status: 'stuck',
      problems: [
        {
          id: 'pipeline-blocked',
          severity: 'error',
          status: 'stuck',
          cause: '#23 is blocked at stage qa',
          evidence: [],
          next: ['unstick w 23'],
        },
      ],
    };
    const { known } = eventsOf(null, observation(row('active')), [], String, 'warning');
    const { news, known: after } = eventsOf(known, seen, [], String, 'warning');
    expect(news).toMatchObject([{ event: 'issue-blocked', next: ['unstick w 23'] }]);
    expect(eventsOf(after, seen, [], String, 'warning').news).toEqual([]);
    expect(eventsOf(null, seen, [], String, 'warning').news).toMatchObject([{ event: 'worker-trouble' }]);
  });

  it('that ends while the worker cannot be asked is told afterwards', () => {
    const gone: Look = { status: 'node-lost', parts: null };
    expect(watch(row('active'), gone, row('completed'))).toEqual([
      [],
      ['worker-trouble: node-lost: why'],
      ['issue-completed: demo#23 is completed', 'worker-recovered: running again; it was node-lost'],
    ]);
  });

  it('is not taken for gone when the queue cannot be read', () => {
    const unreadable: Look = { parts: { queue: { rc: 1, text: '' }, 'queue.error': 'Error: locked' } };
    expect(watch(row('active'), unreadable, row('completed'))[2]).toEqual([
      'issue-completed: demo#23 is completed',
    ]);
  });
});

describe('a session', () => {
  const asks: Look = { panes: [pane('23-qa-1', ...captured('trust'))] };

  it('that waits for a person is told at the first look, once, and again when it waits again', () => {
    const event = 'session-waits: 23-qa-1 asks whether its folder is to be trusted';
    expect(watch(asks, asks, {}, asks)).toEqual([[event], [], [], [event]]);
  });

  it.each([
    ['trust', 'answer it: answer 23-qa-1'],
    ['limit-weekly', 'look: peek 23-qa-1'],
  ])('that shows %s is told with what to type', (screen, next) => {
    const panes = [pane('23-qa-1', ...captured(screen))];
    const { news } = eventsOf(
      null,
      observation({ panes }),
      panes,
      (command, session) => `${command} ${session}`,
      'warning',
    );
    expect(news.map((item) => item.next)).toEqual([[next]]);
  });

  it('that has hit a limit is one event, by its pane and by its pipeline', () => {
    const parts = {
      queue: queueJson([23, 'active']),
      pipelines: pipelinesJson({ issue: 23, status: 'rate_limited', stage: 'qa' }),
    };
    const both: Look = { parts, panes: [pane('23-qa-1', ...captured('limit-weekly'))] };
    expect(watch(row('active'), both)[1]).toEqual(['limit-hit: 23-qa-1 has hit the limit of its account']);
    expect(watch(row('active'), { parts })[1]).toEqual([
      'limit-hit: demo#23 has hit the limit of its account at stage qa; it is tried again at each check-in',
    ]);
  });
});

describe('a question', () => {
  it('is told of the sessions of stages, as why tells it', () => {
    expect(watch({ panes: [pane('mine', ...captured('trust'))] })).toEqual([[]]);
  });

  it('that its stage waits for is news of the session alone, and its end is none', () => {
    const asks = {
      id: 'asks',
      severity: 'error',
      status: 'degraded',
      cause: 'the session 23-qa-1 asks a question',
      evidence: [],
      next: [],
    } as const;
    const asking: Look = { panes: [pane('23-qa-1', ...captured('question'))], more: [asks] };
    const event = 'session-waits: 23-qa-1 asks a question';
    expect(watch(asking, asking, {})).toEqual([[event], [], []]);
    const ill: Look = { ...asking, status: 'degraded', cause: 'something else' };
    expect(watch(ill)).toEqual([['worker-trouble: degraded: something else', event]]);
  });
});

describe('an account that does not work', () => {
  it('is told once, and neither for each session nor for the issue that waits for it', () => {
    const parts = {
      heartbeat: heldHeartbeat({ cause: 'limit' }),
      queue: queueJson([23, 'active'], [24, 'pending']),
      pipelines: pipelinesJson({ issue: 23, status: 'blocked' }),
    };
    const held: Look = {
      status: 'degraded',
      cause: 'limit until 15:00 UTC',
      parts,
      panes: [pane('23-build-1', "You've hit your limit · resets 3pm")],
    };
    const again = { ...held, cause: 'limit until 17:00 UTC' };
    expect(watch(row('active'), held, held, again, row('active'))).toEqual([
      [],
      ['worker-trouble: degraded: limit until 15:00 UTC'],
      [],
      [],
      ['worker-recovered: running again; it was degraded'],
    ]);
  });
});

describe('a queue that cannot be read', () => {
  const locked: Look = {
    status: 'stuck',
    cause: 'the queue cannot be read',
    parts: { queue: { rc: 1, text: '' }, 'queue.error': 'Error: database is locked' },
  };

  it('is told after the second look in vain', () => {
    expect(watch({}, locked, locked, {})).toEqual([
      [],
      [],
      ['worker-trouble: stuck: the queue cannot be read'],
      ['worker-recovered: running again; it was stuck'],
    ]);
  });

  it('is not told when the next look reads it, as on a busy worker', () => {
    expect(watch({}, locked, {}, locked, {})).toEqual([[], [], [], [], []]);
  });
});

describe('a worker', () => {
  const lost: Look = { status: 'unreachable', cause: 'no answer in time', parts: null };

  it('is unreachable after the second look in vain, once, and told when it answers again', () => {
    expect(watch({}, lost, {}, lost, lost, lost, {})).toEqual([
      [],
      [],
      [],
      [],
      ['worker-trouble: unreachable: no answer in time'],
      [],
      ['worker-recovered: running again; it was unreachable'],
    ]);
  });

  it('that never answered is told too', () => {
    expect(watch(lost, lost)[1]).toEqual(['worker-trouble: unreachable: no answer in time']);
  });

  it.each(['stuck', 'degraded', 'forbidden', 'crash-looping'] as const)(
    'that is %s is told at once',
    (status) => {
      expect(watch({ status })[0]).toEqual([`worker-trouble: ${status}: why`]);
    },
  );

  it.each(['drained', 'starting', 'stopped'] as const)('that is %s is in no trouble', (status) => {
    expect(watch({}, { status })).toEqual([[], []]);
  });

  const note = (id: string, severity: Severity, cause: string, status: Status | null = null): Finding => ({
    id,
    severity,
    status,
    cause,
    evidence: [],
    next: [],
  });
  const silent = (issue: number, age: string) =>
    note('silent', 'error', `the session of #${issue} has been silent for ${age}`, 'degraded');

  it('in which an agent hangs is in trouble: once, whatever the time, and again for another issue', () => {
    const hung = (...more: Finding[]): Look => ({ status: 'degraded', cause: 'no Docker', more });
    expect(watch({}, hung(silent(23, '10m')), hung(silent(23, '11m')), hung(silent(24, '10m')))).toEqual([
      [],
      [
        'worker-trouble: degraded: no Docker',
        'worker-trouble: degraded: the session of #23 has been silent for 10m',
      ],
      [],
      ['worker-trouble: degraded: the session of #24 has been silent for 10m'],
    ]);
  });

  it('of which something is worth a warning is told at the second look that sees it, and not while it starts', () => {
    const filling = note('disk-full', 'warning', '/root/.factory is 81% full');
    const seen: Look = { more: [filling] };
    const event = 'worker-warning: /root/.factory is 81% full';
    expect(watch(seen, {}, seen, seen, seen, {}, seen, seen)).toEqual([
      [],
      [],
      [],
      [event],
      [],
      [],
      [],
      [event],
    ]);
    const starting: Look = { status: 'starting', more: [filling] };
    expect(watch(starting, starting, seen)).toEqual([[], [], []]);
    expect(watchFor('error', seen, seen)).toEqual([[], []]);
  });

  it('that is drained or starts is a note, for who asks for notes', () => {
    expect(watchFor('info', {}, { status: 'drained', cause: 'drained by ann' }, {})).toEqual([
      [],
      ['worker-note: drained: drained by ann'],
      [],
    ]);
  });

  it('that was evicted is in trouble, one that was scaled away is not', () => {
    const evicted = {
      ...observation({ status: 'stopped', parts: null }),
      pod: podFacts(pod(), undefined, NOW),
    };
    const look = (seen: Observation) =>
      eventsOf(null, seen, [], String, 'warning').news.map(({ text }) => text);
    expect(look(evicted)).toEqual(['stopped: why']);
    expect(look({ ...evicted, pod: null })).toEqual([]);
  });

  it('that cannot be asked does not have its sessions told again afterwards', () => {
    const asks: Look = { panes: [pane('23-qa-1', ...captured('trust'))] };
    expect(watch(asks, { status: 'node-lost', parts: null }, asks)[2]).toEqual([
      'worker-recovered: running again; it was node-lost',
    ]);
  });
});
