import { describe, expect, it } from 'vitest';
import type { Finding } from '../../scripts/lib/health/facts.ts';
import type { Observation } from '../../scripts/lib/health/observe.ts';
import { assess } from '../../scripts/lib/health/report.ts';
import { needsYou, shortCause } from '../../scripts/lib/health/short-cause.ts';
import type { Status } from '../../scripts/lib/worker/status.ts';
import { commandLine } from '../support/samples.ts';
import { heldHeartbeat, type Parts, pipelinesJson, queueJson, snapshot } from '../worker/samples.ts';

const worker = { runtime: 'local', name: 'w', home: '/w' } as const;
const nothing = { worker, pod: null, lastSeen: null };

/** A worker that answered. */
function probed(parts: Parts): Observation {
  const found = snapshot(parts);
  return { ...nothing, snapshot: found, ...assess(worker, null, found, commandLine) };
}

/** A worker that could not be entered, or with a finding of its own. */
function found(status: Status, ...problems: Partial<Finding>[]): Observation {
  const finding: Finding = { id: status, severity: 'error', status, cause: '', evidence: [], next: [] };
  const all = problems.map((problem) => ({ ...finding, ...problem }));
  return { ...nothing, snapshot: null, status, problems: all };
}

describe('a worker', () => {
  it.each<[what: string, seen: Observation, cause: string | null, needs: boolean]>([
    ['without problems', probed({}), null, false],
    ['that is not there', found('unreachable', {}), 'unreachable', true],
    ['that is starting', found('starting', { severity: 'info' }), 'starting', false],
    [
      'with a blocked issue',
      probed({
        queue: queueJson([23, 'active']),
        pipelines: pipelinesJson({ issue: 23, status: 'blocked' }),
      }),
      'blocked',
      true,
    ],
    [
      'at its limit',
      probed({ heartbeat: heldHeartbeat({ cause: 'limit', until: '2026-03-02T15:00:00Z' }) }),
      'limit until 15:00',
      true,
    ],
    ['without a token', probed({ heartbeat: heldHeartbeat() }), 'token refused', true],
    [
      'with a warning',
      found('running', { id: 'disk-full', severity: 'warning', status: null }),
      'disk full',
      false,
    ],
    [
      'with an issue that will never start',
      found('running', { id: 'dependency-failed', severity: 'warning', status: null }),
      'dependency failed',
      true,
    ],
    [
      'whose queue cannot be read',
      found('stuck', { id: 'probe-queue', status: 'stuck' }),
      'queue unreadable',
      true,
    ],
    [
      'whose words are not to be trusted',
      found('degraded', { id: 'phase-\u001b[2Jx', status: null }),
      'phase x',
      true,
    ],
  ])('%s', (_, seen, cause, needs) => {
    expect([shortCause(seen), needsYou(seen)]).toEqual([cause, needs]);
  });
});
