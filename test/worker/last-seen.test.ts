import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterWorker } from '../../scripts/lib/config/worker-entry.ts';
import {
  describeLastSeen,
  type LastSeen,
  recallPod,
  recallSeen,
  rememberSeen,
} from '../../scripts/lib/worker/last-seen.ts';
import type { Snapshot } from '../../scripts/lib/worker/snapshot.ts';
import { pipelinesJson, queueJson, snapshot } from './samples.ts';

const worker: ClusterWorker = {
  runtime: 'kubernetes',
  name: 'worker-1',
  pod: 'p',
  namespace: 'n',
  context: 'c',
};
const pod = { name: 'p-7d9f-x2x4z', container: 'worker' };
const NOW = new Date('2026-03-02T12:00:00Z');
const busy = snapshot({
  queue: queueJson([23, 'active'], [24, 'pending']),
  pipelines: pipelinesJson({ issue: 23, stage: 'implement' }),
});

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'last-seen-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('a worker that cannot be reached', () => {
  it('was last seen doing what it did then', () => {
    rememberSeen({ HOME: home }, worker, { snapshot: busy, pod }, NOW);
    const seen = recallSeen({ HOME: home }, worker);
    expect(seen && describeLastSeen(seen, new Date('2026-03-02T12:12:00Z'))).toBe(
      'last seen 12m ago: demo#23 implement +1',
    );
  });

  it('was never seen', () => {
    expect(recallSeen({ HOME: home }, worker)).toBeNull();
    expect(recallPod({ HOME: home }, worker)).toBeNull();
  });

  it('of another cluster is another one, also when it has the same name', () => {
    rememberSeen({ HOME: home }, worker, { snapshot: busy, pod }, NOW);
    expect(recallSeen({ HOME: home }, { ...worker, context: 'other' })).toBeNull();
  });

  it('had nothing queued', () => {
    expect(describeLastSeen({ schema: 1, at: NOW.toISOString(), items: [] }, NOW)).toBe(
      'last seen 0s ago: nothing queued',
    );
  });
});

describe('the pod of a worker', () => {
  it('is the one that it was last seen in', () => {
    for (const name of ['before', pod.name])
      rememberSeen({ HOME: home }, worker, { snapshot: busy, pod: { ...pod, name } }, NOW);
    expect(recallPod({ HOME: home }, worker)).toEqual(pod);
    expect(recallSeen({ HOME: home }, worker)).not.toHaveProperty('pod');
  });

  it('is not read again by a command that has seen it', () => {
    rememberSeen({ HOME: home }, worker, { snapshot: busy, pod }, NOW);
    rmSync(join(home, '.cache'), { recursive: true });
    expect(recallPod({ HOME: home }, worker)).toEqual(pod);
  });

  it('is none for a local worker, and where an earlier version has seen it', () => {
    rememberSeen({ HOME: home }, worker, { snapshot: busy, pod: null }, NOW);
    expect(recallPod({ HOME: home }, worker)).toBeNull();
    const folder = join(home, '.cache', 'factory-worker', 'last-seen');
    const file = join(folder, readdirSync(folder)[0] ?? '');
    writeFileSync(file, JSON.stringify({ schema: 1, at: NOW.toISOString(), items: [] }));
    expect(recallPod({ HOME: home }, worker)).toBeNull();
    expect(recallSeen({ HOME: home }, worker)?.items).toEqual([]);
  });
});

describe('a worker that is looked at again and again', () => {
  const idle = snapshot({ queue: queueJson() });
  const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1_000);
  /** The time that is in the file. */
  const written = () => {
    const folder = join(home, '.cache', 'factory-worker', 'last-seen');
    const [file = ''] = readdirSync(folder);
    return (JSON.parse(readFileSync(join(folder, file), 'utf8')) as LastSeen).at;
  };

  it.each<[string, Snapshot, number, boolean]>([
    ['as it was, a moment later', busy, 2, false],
    ['as it was, after a while', busy, 30, true],
    ['changed', idle, 2, true],
    ['earlier than before, since the clock was put back', busy, -1, true],
  ])('and is %s', (_, seen, seconds, isWritten) => {
    rememberSeen({ HOME: home }, worker, { snapshot: busy, pod }, NOW);
    rememberSeen({ HOME: home }, worker, { snapshot: seen, pod }, later(seconds));
    expect(written()).toBe((isWritten ? later(seconds) : NOW).toISOString());
  });

  it('was last seen when it was, once it cannot be reached any more', () => {
    for (const seconds of [0, 2, 4])
      rememberSeen({ HOME: home }, worker, { snapshot: busy, pod }, later(seconds));
    expect(recallSeen({ HOME: home }, worker)?.at).toBe(later(4).toISOString());
    expect(written()).toBe(later(4).toISOString());
  });
});

describe('the cache', () => {
  const folder = () => join(home, 'cache', 'factory-worker', 'last-seen');
  const env = () => ({ HOME: home, XDG_CACHE_HOME: join(home, 'cache') });

  it('is nobody else’s to read, and leaves nothing behind but one file', () => {
    rememberSeen(env(), worker, { snapshot: busy, pod }, NOW);
    rememberSeen(env(), worker, { snapshot: busy, pod }, NOW);
    const files = readdirSync(folder());
    expect(files).toHaveLength(1);
    expect(statSync(join(folder(), files[0] ?? '')).mode & 0o777).toBe(0o600);
  });

  it('that holds rubbish, or is of another version, is none', () => {
    rememberSeen(env(), worker, { snapshot: busy, pod }, NOW);
    const file = join(folder(), readdirSync(folder())[0] ?? '');
    for (const text of ['', '{', 'null', '{"schema":2,"at":"","items":[]}']) {
      writeFileSync(file, text);
      expect(recallSeen(env(), worker)).toBeNull();
    }
  });

  it('that cannot be written stops nothing', () => {
    rememberSeen({ HOME: '/dev/null' }, worker, { snapshot: busy, pod }, NOW);
    expect(recallSeen({ HOME: '/dev/null' }, worker)).toBeNull();
  });
});
