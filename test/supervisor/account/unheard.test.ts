import { describe, expect, it } from 'vitest';
import type { AgentRecord } from '../../../image/supervisor/account/agents.ts';
import { silentAgents, unheard } from '../../../image/supervisor/account/unheard.ts';
import { fakeFiles } from '../fakes.ts';

const NOW = Date.parse('2026-11-22T15:00:00Z');
/** As 2.1.330 wrote it at its prompt; what is not used is left out. */
const RECORD: AgentRecord = {
  pid: 23395,
  procStart: '229778',
  sessionId: 'c1bdb925-4b24-4975-9c0c-16fd8640e3aa',
  tmux: '1-build-1:@0.%0',
  status: 'idle',
  startedAt: NOW - 45_000,
  // A moment before: it is written while claude starts.
  statusUpdatedAt: NOW - 46_972,
};
const session = (name: string, attached = 0) => ({
  name,
  createdAt: 0,
  windowActivity: 0,
  attached,
  bareShell: false,
});
const look = (record: Partial<AgentRecord>, sessions = [session('1-build-1')]) =>
  unheard([{ ...RECORD, ...record }], sessions, NOW);

describe('a stage whose prompt never arrived', () => {
  it('has a claude that was idle from its start on', () => {
    expect(look({})).toEqual([
      { session: '1-build-1', why: 'it was asked nothing', startedAt: RECORD.startedAt },
    ]);
  });

  it('or one that shows a dialog', () => {
    const dialog = { status: 'waiting', waitingFor: 'dialog open', statusUpdatedAt: NOW - 20_000 };
    expect(look(dialog)).toMatchObject([{ why: 'it shows a dialog' }]);
  });

  it.each([
    ['claude has just started', { startedAt: NOW - 44_000, statusUpdatedAt: NOW - 44_000 }, undefined],
    ['it is at work', { status: 'busy' }, undefined],
    ['it has been at work', { statusUpdatedAt: NOW - 20_000 }, undefined],
    ['it asks the operator', { status: 'waiting', waitingFor: 'input needed' }, undefined],
    ['somebody is attached', {}, [session('1-build-1', 1)]],
    ['its session is gone', {}, [session('1-build-2')]],
    ['it runs outside of tmux', { tmux: '' }, undefined],
  ])('is none when %s', (_case, record, sessions) => {
    expect(look(record, sessions)).toEqual([]);
  });
});

describe('claude’s records', () => {
  const stat = (start: string) =>
    `23395 (cl) aude) S ${Array.from({ length: 18 }, (_, i) => i).join(' ')} ${start} 0 0`;
  const found = (files: Record<string, string>) =>
    silentAgents('/c', fakeFiles({ '/c/sessions/23395.json': JSON.stringify(RECORD), ...files }));

  it('count while their process lives and nothing was said', () => {
    expect(found({ '/proc/23395/stat': stat('229778') })).toEqual([RECORD]);
  });

  it.each([
    ['the process is gone', {}],
    ['another process has its number', { '/proc/23395/stat': stat('229779') }],
    [
      'there is a transcript',
      { '/proc/23395/stat': stat('229778'), [`/c/projects/-x/${RECORD.sessionId}.jsonl`]: '{}' },
    ],
    ['it is half written', { '/proc/23395/stat': stat('229778'), '/c/sessions/23395.json': '{"pid":23' }],
    [
      'an older version wrote less',
      { '/proc/23395/stat': stat('229778'), '/c/sessions/23395.json': '{"pid":23395,"status":"idle"}' },
    ],
  ])('do not when %s', (_case, files) => {
    expect(found(files)).toEqual([]);
  });
});
