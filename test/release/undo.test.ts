/** What is undone after a failure, against a cluster and a worker that answer from a table. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CliError } from '../../scripts/lib/cli/errors.ts';
import { SCHEMA } from '../../scripts/lib/contract.ts';
import type { Job } from '../../scripts/lib/release/job.ts';
import type { ReleaseContext, Target } from '../../scripts/lib/release/preflight.ts';
import { newRecord, type ReleaseRecord, readRecords, saveRecord } from '../../scripts/lib/release/record.ts';
import { undo } from '../../scripts/lib/release/run.ts';
import { STEPS } from '../../scripts/lib/release/steps.ts';
import type { RemoteCall } from '../../scripts/lib/transport/transport.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { commandLine, WORKER } from '../support/samples.ts';

const scratch = mkdtempSync(join(tmpdir(), 'undo-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const env = { XDG_STATE_HOME: scratch, PATH: process.env['PATH'], KUBECTL: '/nonexistent/kubectl' };

const OLD = `registry.example.com/worker@sha256:${'1'.repeat(64)}`;
const NEW = `registry.example.com/worker@sha256:${'2'.repeat(64)}`;
const BY_HAND = `registry.example.com/worker@sha256:${'3'.repeat(64)}`;
const FOREIGN = {
  schema: SCHEMA,
  by: 'ann',
  host: 'laptop',
  since: '2026-03-02T11:00:00Z',
  reason: 'R',
  release: null,
};

interface Given {
  readonly replicas?: number;
  /** The image the workload names now. */
  readonly image?: string;
  readonly kind?: ReleaseRecord['kind'];
  readonly record?: Partial<ReleaseRecord>;
  /** What the worker answers to being resumed in the name of a release; without, it cannot be entered. */
  readonly resumed?: (release: string) => string;
  /** Wait for the running stage. */
  readonly drain?: boolean;
  /** A worker of the chart: the image its revision names. */
  readonly revision?: string;
}

function jobOf({
  replicas = 1,
  image = OLD,
  kind = 'rollout',
  record,
  resumed,
  drain = true,
  revision,
}: Given) {
  const said: string[] = [];
  const calls: RemoteCall[] = [];
  const rolledBack: number[] = [];
  const container = { name: 'worker', image };
  const pod = {
    metadata: { name: WORKER.pod, uid: 'new' },
    spec: { containers: [container] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'worker', state: { running: {} } }],
    },
  };
  const exec = fakeExec((argv) => {
    if (argv.some((word) => word.startsWith('deployments,'))) {
      const workload = {
        kind: 'Deployment',
        metadata: { name: WORKER.pod },
        // Helm writes what it went back to.
        spec: {
          replicas,
          template: {
            spec: {
              containers: [rolledBack.length === 0 ? container : { ...container, image: revision ?? image }],
            },
          },
        },
      };
      return { stdout: JSON.stringify({ items: [workload] }) };
    }
    return { stdout: JSON.stringify({ items: replicas === 0 ? [] : [pod] }) };
  });
  const signal = new AbortController().signal;
  const around = {
    context: { env, signal, commandLine, exec, now: () => new Date() },
    cluster: { exec, env, timeoutMs: 1000, signal, now: () => new Date() },
    timeoutMs: 1000,
    enter: async () => {
      if (resumed === undefined) throw new CliError('cannot be entered');
      return {
        run: async (call: RemoteCall) => {
          calls.push(call);
          const part = (text: string) => ({ rc: 0, text });
          const parts = new Map([
            ['resumed', part(resumed(call.args[2] ?? ''))],
            ['drain', part(JSON.stringify(FOREIGN))],
          ]);
          return { rc: 0, parts };
        },
      };
    },
  } as unknown as ReleaseContext;
  const helmed = {
    helm: {
      manifest: async () =>
        `kind: Deployment\nmetadata: {name: ${WORKER.pod}}\nspec: {template: {spec: {containers: [{name: worker, image: '${revision}'}]}}}`,
      rollback: async (_: unknown, to: number) => void rolledBack.push(to),
      command: (_: unknown, args: readonly string[]) => ['helm', ...args],
    },
    release: { name: 'worker-1' },
  };
  const target = {
    worker: WORKER,
    workload: { kind: 'Deployment', name: WORKER.pod, container: 'worker', image: OLD, replicas },
    helmed: revision === undefined ? null : helmed,
    pod: null,
    facts: null,
  } as unknown as Target;
  const previous = { image: OLD, revision: revision === undefined ? null : 3, podUid: null };
  const made = newRecord(WORKER, { kind, image: NEW, previous }, new Date(0));
  const options = { prepullMs: 1, drainMs: 1, readyMs: 1, allowMigration: false };
  const job: Job = {
    target,
    request: {
      kind,
      image: kind === 'restart' ? OLD : NEW,
      revision: null,
      prepull: false,
      drain,
      chartUpgrade: false,
      undo: null,
    },
    options: { ...options, say: (text) => void said.push(text) },
    around,
    record: { ...made, ...record },
  };
  const entered = () => exec.calls.filter((argv) => argv.includes('exec')).map((argv) => argv.join(' '));
  return { job, said, calls, rolledBack, entered };
}

const FAILED = new CliError('it was refused');

describe('a worker that is stopped', () => {
  it('keeps what it has when the roll is refused: nothing was changed', async () => {
    const { job, said } = jobOf({ replicas: 0 });
    const { record, error } = await undo(job, 'roll', FAILED);
    expect([record.state, said]).toEqual(['failed', []]);
    expect(error?.message).toContain('Nothing was rolled');
  });

  it('is rolled back without waiting for a pod, and is not entered', async () => {
    const { job, calls, rolledBack } = jobOf({
      replicas: 0,
      image: NEW,
      revision: OLD,
      resumed: () => 'none',
    });
    const { record, error } = await undo(job, 'roll', FAILED);
    expect([record.state, rolledBack, calls]).toEqual(['rolled-back', [3], []]);
    expect(error?.message).toMatch(/^rolled back to .*, and worker-1 is stopped\. The cause/);
  });
});

describe('a restart that failed', () => {
  const drained = { done: ['drain', 'backup', 'roll'] } as const;
  it.each<[string, Partial<Given>, RegExp]>([
    [
      'lifts its drain',
      { record: drained, resumed: () => 'lifted' },
      /stays as it is\. Its drain was lifted\.$/,
    ],
    [
      'says what to type when it cannot be entered',
      { record: drained },
      /It is still drained; once it can be entered: factory-worker resume worker-1$/,
    ],
    ['says nothing of a drain that it did not make (--now)', { resumed: () => 'none' }, /stays as it is\.$/],
    [
      'names the drain of somebody else',
      { record: drained, resumed: () => 'held' },
      /It stays drained, as ann@laptop left it; take up work again: factory-worker resume worker-1$/,
    ],
  ])('%s', async (_, given, said) => {
    const { job } = jobOf({ kind: 'restart', ...given });
    const { record, error } = await undo(job, 'health', FAILED);
    expect([record.state, error?.message]).toEqual(['failed', expect.stringMatching(said)]);
  });
});

describe('a release that replaced one which had replaced another', () => {
  it('lifts the drain of whichever made it', async () => {
    const { job } = jobOf({});
    saveRecord(env, { ...job.record, id: 'a', state: 'abandoned' });
    saveRecord(env, { ...job.record, id: 'b', state: 'abandoned', replaces: 'a' });
    expect(readRecords(env).map(({ id }) => id)).toEqual(expect.arrayContaining(['a', 'b']));
    const given = jobOf({
      record: { replaces: 'b' },
      resumed: (id) => (id === 'a' ? 'lifted' : 'held'),
    });
    await STEPS.resume.run(given.job);
    expect(given.calls.map(({ args }) => args[2])).toEqual([given.job.record.id, 'b', 'a']);
    expect(given.said).toEqual([]);
  });

  it('does not take a drain of somebody else for lifted', async () => {
    const { job, said } = jobOf({ resumed: () => 'held' });
    await STEPS.resume.run(job);
    expect(said).toEqual([
      'stays drained, as ann@laptop left it; take up work again: factory-worker resume worker-1',
    ]);
  });
});

describe('a pod that is replaced', () => {
  it.each<[string, boolean, string, number]>([
    ['is told not to wait for its stage, without a drain', false, 'new', 1],
    ['is told nothing after a drain', true, 'new', 0],
    ['is told, not its successor', false, 'the one before', 0],
  ])('%s', async (_, drain, podUid, times) => {
    const { job, entered } = jobOf({ drain, image: NEW });
    job.record = { ...job.record, previous: { ...job.record.previous, podUid } };
    // The table has one pod only: whether another one comes is not what is looked at here.
    await STEPS.wait.run(job).catch((error: unknown) => expect(error).toBeInstanceOf(CliError));
    expect(entered()).toHaveLength(times);
    expect(entered().every((line) => line.includes(WORKER.pod))).toBe(true);
  });
});

describe('a worker whose image somebody had set by hand', () => {
  it('is rolled back to the image of the revision, and that one is waited for', async () => {
    // The pod of the revision is there at once; one of the image set by hand would be waited for in vain.
    const { job, said } = jobOf({ image: OLD, revision: OLD, resumed: () => 'lifted' });
    const before = { ...job.record.previous, image: BY_HAND, podUid: 'new' };
    job.record = { ...job.record, previous: before };
    const { error } = await undo(job, 'wait', FAILED);
    expect(said[1]).toContain('rolling back to registry.example.com/worker@sha256:1111');
    expect(error?.message).toMatch(/^rolled back to .*sha256:1111.*takes work again/);
  });
});
