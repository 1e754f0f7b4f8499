/** Main checkouts that are not what their remotes have, as status, why and doctor tell. */
import { describe, expect, it } from 'vitest';
import type { CloneFault } from '../../scripts/lib/contract.ts';
import { describeCloneHold } from '../../scripts/lib/contract.ts';
import { BOOK } from '../../scripts/lib/health/book.ts';
import { NOT_ASKED } from '../../scripts/lib/health/facts.ts';
import { parseInside } from '../../scripts/lib/health/inside.ts';
import { judge as examine } from '../../scripts/lib/health/preflight.ts';
import { assess, judge } from '../../scripts/lib/health/report.ts';
import { describeClone } from '../../scripts/lib/worker/clones.ts';
import { commandLine } from '../support/samples.ts';
import { CLOCK, frame, heartbeat, RUNNING, snapshot } from './samples.ts';

const worker = { runtime: 'local', name: 'w', home: '/w' } as const;
const git = 'factory-worker exec w --project demo -- git';

function fault(fields: Partial<CloneFault>): CloneFault {
  return {
    project: 'demo',
    cause: 'changed',
    text: 'it is so',
    said: 'fatal: no',
    subject: '',
    since: '2026-03-02T11:50:00Z',
    holds: true,
    ...fields,
  };
}

const beat = (faults: readonly CloneFault[], state = 'refused') =>
  JSON.stringify({
    ...heartbeat,
    state,
    reason: state === 'refused' && faults[0] ? describeCloneHold(faults[0]) : null,
    clones: faults,
  });

/** What status makes of it, and why. */
function look(faults: readonly CloneFault[], state?: string) {
  const parts = { heartbeat: beat(faults, state) };
  const seen = snapshot(parts);
  const { status, problems } = assess(worker, null, seen, commandLine);
  const inside = parseInside(frame({ ...RUNNING, ...parts }));
  const facts = { ...NOT_ASKED, worker, pod: null, refusal: null, snapshot: seen, inside };
  const why = judge({ ...facts, command: commandLine }, BOOK).problems;
  return { status, problems, why };
}

describe('what to do', () => {
  it.each<[string, Partial<CloneFault>, string[]]>([
    ['fetch-failed', {}, [`${git} fetch --prune`, 'factory-worker rotate w']],
    ['upstream-gone', { subject: 'dev' }, [`${git} ls-remote --heads`, 'push dev again']],
    ['upstream-gone', {}, [`${git} ls-remote --heads`, 'set one of them']],
    [
      'head-moved',
      { subject: 'main' },
      [`${git} switch main`, `${git} branch --set-upstream-to=origin/main`],
    ],
    ['head-moved', {}, [`${git} status`, `${git} stash push --include-untracked`]],
    ['unfinished', { subject: 'rebase' }, [`${git} status`, `${git} rebase --abort`]],
    ['changed', {}, [`${git} status`, `${git} stash push --include-untracked`]],
    ['locked', { subject: '/r/.git/index.lock' }, ['factory-worker exec w -- ps -C git -o pid,etime,args']],
    ['no-main', { subject: 'trunk' }, [`${git} push origin refs/remotes/origin/trunk:refs/heads/main`]],
    ['not-main', { subject: 'dev' }, ['keep main up to date']],
    [
      'set-aside',
      { subject: 'refs/factory-worker/set-aside/main/T' },
      [
        `${git} log --patch refs/factory-worker/set-aside/main/T --not --remotes`,
        `${git} push origin refs/factory-worker/set-aside/main/T:refs/heads/set-aside-T`,
        `${git} update-ref -d refs/factory-worker/set-aside/main/T`,
      ],
    ],
    ['submodules', {}, [`${git} submodule update --init --recursive`, 'pipeline.yaml']],
  ])('%s %j', (cause, fields, cures) => {
    const { id, next } = describeClone(fault({ cause, ...fields }), 'w', commandLine);
    expect(id).toBe(`clone-${cause}`);
    expect(next).toEqual(cures.map((cure) => expect.stringContaining(cure)));
  });

  it('is nothing where the worker is newer, or lies', () => {
    expect(describeClone(fault({ cause: 'constructor' }), 'w', commandLine)).toEqual({
      id: 'clone-fault',
      cause: 'no issue of demo is begun: it is so',
      next: [],
    });
    const [look_, ...rest] = describeClone(
      fault({ cause: 'unfinished', subject: 'clean' }),
      'w',
      commandLine,
    ).next;
    expect([look_, rest]).toEqual([`look: ${git} status`, []]);
  });
});

describe('a worker that takes no row', () => {
  it('is stuck, and why has what git said', () => {
    const { status, problems, why } = look([fault({})]);
    expect(status).toBe('stuck');
    expect(problems).toMatchObject([{ id: 'clone-changed', cause: 'no issue of demo is begun: it is so' }]);
    expect(why).toEqual([
      { ...problems[0], evidence: ['git: fatal: no', 'heartbeat: since 2026-03-02T11:50:00Z'] },
    ]);
  });

  it('for its remote is degraded, since that comes back, and for a moment nothing at all', () => {
    expect(look([fault({ cause: 'fetch-failed' })]).status).toBe('degraded');
    const since = new Date((CLOCK - 60) * 1000).toISOString();
    const { status, problems, why } = look([fault({ cause: 'fetch-failed', since })]);
    expect([status, problems]).toEqual(['running', []]);
    expect(why).toMatchObject([{ id: 'clone-fetch-failed' }]);
  });

  it('is not what something worth knowing makes of it', () => {
    const { status, problems } = look([fault({ cause: 'set-aside', holds: false })], 'waiting');
    expect(status).toBe('running');
    expect(problems).toMatchObject([{ id: 'clone-set-aside', cause: 'demo: it is so' }]);
  });
});

it.each([
  [[], 'ok', 'clones', 'every main checkout has what its remote has'],
  [[fault({})], 'fail', 'clone-changed', 'no issue of demo is begun: it is so: fatal: no'],
  [[fault({ cause: 'set-aside', holds: false, said: '' })], 'warn', 'clone-set-aside', 'demo: it is so'],
])('doctor: %j', (faults, state, id, reason) => {
  const where = { worker, pod: null, now: CLOCK, command: commandLine };
  const parts = frame({ ...RUNNING, facts: '', clock: String(CLOCK), heartbeat: beat(faults) });
  expect(examine(parts, where).filter((finding) => finding.id.startsWith('clone'))).toMatchObject([
    { id, state, reason },
  ]);
});

it('doctor tells a hundred of them at most, however many a worker names', () => {
  const where = { worker, pod: null, now: CLOCK, command: commandLine };
  const faults = Array.from({ length: 250 }, (_, n) => fault({ project: `p${n}` }));
  const parts = frame({ ...RUNNING, facts: '', clock: String(CLOCK), heartbeat: beat(faults) });
  expect(examine(parts, where).filter((finding) => finding.id.startsWith('clone'))).toHaveLength(100);
});
