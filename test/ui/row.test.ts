import { describe, expect, it } from 'vitest';
import type { PaneView } from '../../scripts/lib/health/inside.ts';
import { assess } from '../../scripts/lib/health/report.ts';
import { type Row, rowOf } from '../../scripts/lib/ui/row.ts';
import { commandLine } from '../support/samples.ts';
import { CLOCK, heldHeartbeat, type Parts, pipelinesJson, queueJson, snapshot } from '../worker/samples.ts';

const worker = { runtime: 'local', name: 'w', home: '/w' } as const;

function of(parts: Parts, panes: readonly PaneView[] = []): Row {
  const found = snapshot(parts);
  const seen = {
    worker,
    pod: null,
    lastSeen: null,
    snapshot: found,
    ...assess(worker, null, found, commandLine),
  };
  return rowOf(seen, panes);
}

const SESSIONS = `orchestrator\t${CLOCK - 5}\t${CLOCK - 3600}\t0\t0\t\n23-qa-1\t${CLOCK - 700}\t${CLOCK - 720}\t0\t0\t`;
const AT_WORK: Parts = {
  queue: queueJson([23, 'active'], [24, 'pending'], [25, 'pending']),
  pipelines: pipelinesJson({ issue: 23, status: 'in_progress', stage: 'qa', session: '23-qa-1' }),
  sessions: SESSIONS,
};

describe('a worker is one row', () => {
  it.each<[what: string, row: Row, expected: Partial<Row>]>([
    [
      'idle',
      of({}),
      { group: 'IDLE', cause: 'nothing to do', issue: '', behind: 0, sessions: ['orchestrator'] },
    ],
    [
      'at work',
      of(AT_WORK),
      {
        group: 'AT WORK',
        cause: 'at work',
        issue: 'demo#23',
        number: 23,
        stage: 'qa',
        age: '12m',
        behind: 2,
        sessions: ['23-qa-1', 'orchestrator'],
      },
    ],
    [
      'with a silent session',
      of({ ...AT_WORK, locks: 'boot=held\ncheck-in=held' }),
      { group: 'NEEDS YOU', cause: 'silent 11m', issue: 'demo#23' },
    ],
    [
      'with a question',
      of(AT_WORK, [{ session: '23-qa-1', program: 'claude', lines: ['Overwrite it? [y/N]'] }]),
      {
        group: 'NEEDS YOU',
        cause: 'asks a question',
        issue: 'demo#23',
        sessions: ['23-qa-1', 'orchestrator'],
      },
    ],
    [
      'at a limit',
      of({ ...AT_WORK, heartbeat: heldHeartbeat({ cause: 'limit', until: '2026-03-02T15:00:00Z' }) }),
      { group: 'NEEDS YOU', cause: 'limit until 15:00' },
    ],
    [
      'with an issue that waits',
      of({ queue: queueJson([23, 'pending']) }),
      { group: 'IDLE', cause: 'between two check-ins', issue: 'demo#23', behind: 0 },
    ],
  ])('%s', (_, row, expected) => {
    expect(row).toMatchObject({ worker: 'w', ...expected });
  });

  it('of a worker that is not there has no sessions', () => {
    const finding = {
      id: 'unreachable',
      severity: 'error',
      cause: 'no route',
      evidence: [],
      next: [],
    } as const;
    const lost = { worker, pod: null, snapshot: null, lastSeen: null, status: 'unreachable' } as const;
    expect(rowOf({ ...lost, problems: [{ ...finding, status: 'unreachable' }] }, [])).toMatchObject({
      group: 'NEEDS YOU',
      cause: 'unreachable',
      sessions: [],
      number: null,
    });
  });

  it('lets nothing through that a sink would not', () => {
    const stage = `q\u001b[2Ja\u202e ghp_${'FAKE'.repeat(9)}`;
    const row = of({ ...AT_WORK, pipelines: pipelinesJson({ issue: 23, status: 'in_progress', stage }) });
    expect(row.stage).toBe(`qa ghp_${'*'.repeat(36)}`);
  });
});
