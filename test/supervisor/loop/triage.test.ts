import { expect, it } from 'vitest';
import { recoverTriage } from '../../../image/supervisor/loop/triage.ts';
import type { Repair } from '../../../scripts/lib/contract.ts';

const NOW = Date.parse('2026-11-22T15:00:00Z');
const TRIAGE = { issue: 5, stage: 'stale', session: 'triage-5-stale', hasOutcome: false };
const REPAIR = { issue: 5, stage: 'stale', attempt: 0, session: 'triage-5-stale', cure: '' };

const recover = (
  hasOutcome: boolean,
  { session = {}, repairs = [] }: { session?: object | null; repairs?: readonly Repair[] } = {},
) => {
  const quiet = { createdAt: 0, windowActivity: NOW / 1000 - 60, attached: 0, bareShell: false };
  const sessions = session === null ? [] : [{ name: 'triage-5-stale', ...quiet, ...session }];
  return recoverTriage(
    { ...TRIAGE, hasOutcome },
    { sessions, repairs, directory: '/w/repos/demo', now: NOW },
  );
};

it.each<[string, boolean, object | null, string]>([
  ['its session is gone', false, null, 'run-triage'],
  ['its session is gone, after its outcome', true, null, 'mark-exited'],
  ['its agent is gone', false, { bareShell: true }, 'run-triage'],
  ['its agent is gone, after its outcome', true, { bareShell: true }, 'mark-exited'],
])('a triage is helped when %s', (_case, hasOutcome, session, action) => {
  expect(recover(hasOutcome, { session })).toEqual({ ...REPAIR, action });
});

it.each([
  ['its agent is there', {}],
  ['its agent may be starting', { bareShell: true, windowActivity: NOW / 1000 - 59 }],
  ['somebody is attached', { bareShell: true, attached: 1 }],
])('but not while %s', (_case, session) => {
  expect(recover(false, { session })).toBeNull();
});

it('it is helped twice a day, and then the operator is told what to type', () => {
  const past = (hoursAgo: number, action: Repair['action']): Repair => ({
    ...REPAIR,
    at: new Date(NOW - hoursAgo * 3_600_000).toISOString(),
    action,
  });
  const again = [past(2, 'run-triage'), past(1, 'run-triage')];
  expect(recover(false, { session: null, repairs: again })).toBe(
    'the triage of #5 was interrupted in stage stale again after 2 repairs; type: cd /w/repos/demo && factory triage run 5',
  );
  expect(recover(true, { session: null, repairs: again })).toEqual({ ...REPAIR, action: 'mark-exited' });
  expect(
    recover(true, { session: null, repairs: [past(2, 'mark-exited'), past(1, 'mark-exited')] }),
  ).toBeNull();
  expect(recover(false, { session: null, repairs: [past(25, 'run-triage'), past(1, 'run-triage')] })).toEqual(
    {
      ...REPAIR,
      action: 'run-triage',
    },
  );
});
