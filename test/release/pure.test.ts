/** The small pure parts of a release. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  helmError,
  isPending,
  lastDeployed,
  parseHistory,
  parseStatus,
  upgradeArgs,
} from '../../scripts/lib/helm/helm.ts';
import { manifestChanges, rolledBy } from '../../scripts/lib/helm/manifest-diff.ts';
import { keepingTag, parseReference, shortReference } from '../../scripts/lib/registry/reference.ts';
import { parseInspection, registryError } from '../../scripts/lib/registry/registry.ts';
import { buildArgv, isSame, reasonIn } from '../../scripts/lib/release/build.ts';
import {
  type BuildOptions,
  parsePlatforms,
  platformOf,
  stageFactory,
  tagOf,
} from '../../scripts/lib/release/build-options.ts';
import { exitCodeOf } from '../../scripts/lib/release/campaign.ts';
import { isUp, rowsLeftBehind, worseThan } from '../../scripts/lib/release/plan.ts';
import { isPulling, parseResult, resultOf } from '../../scripts/lib/release/prepull.ts';
import {
  isUnderWay,
  newRecord,
  readRecords,
  recordPath,
  saveRecord,
  unfinished,
} from '../../scripts/lib/release/record.ts';
import { describeEvents } from '../../scripts/lib/release/run.ts';
import type { PodObject } from '../../scripts/lib/transport/pods.ts';
import { parseDatabaseState } from '../../scripts/lib/worker/database-state.ts';
import type { Snapshot } from '../../scripts/lib/worker/snapshot.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { needs } from '../support/needs.ts';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;
const scratch = mkdtempSync(join(tmpdir(), 'release-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const WORKER = { runtime: 'kubernetes', name: 'w', pod: 'factory-w', namespace: 'n', context: 'c' } as const;
const result = (stderr: string, code = 1) => ({
  argv: ['docker'] as const,
  code,
  stdout: Buffer.alloc(0),
  stderr,
  timedOut: false,
  aborted: false,
});

describe('names of images', () => {
  it.each([
    ['worker', 'worker', null, null],
    ['localhost:5000/team/worker', 'localhost:5000/team/worker', null, null],
    ['localhost:5000/worker:v1.2', 'localhost:5000/worker', 'v1.2', null],
    [`r.example.com/a/b@${DIGEST}`, 'r.example.com/a/b', null, DIGEST],
    [`r.example.com/a/b:v1@${DIGEST}`, 'r.example.com/a/b', 'v1', DIGEST],
  ])('%s', (text, repository, tag, digest) => {
    expect(parseReference(text)).toEqual({ repository, tag, digest });
  });

  it.each(['', 'a b', 'worker@sha256:12', ':v1', 'worker:'])('refused: "%s"', (text) => {
    expect(() => parseReference(text)).toThrow(/is not a valid image name/);
  });

  it('are cut for people, and a digest keeps a tag of its own', () => {
    expect(shortReference(`a/b@${DIGEST}`)).toBe('a/b@sha256:0123456789ab');
    expect(keepingTag(DIGEST)).toBe('release-0123456789abcdef');
  });
});

describe('a registry', () => {
  it('has an image for one platform or for several', () => {
    const image = { os: 'linux', architecture: 'amd64', config: { Labels: { a: 'b' } } };
    expect(parseInspection(JSON.stringify({ manifest: { digest: DIGEST }, image }))).toEqual({
      digest: DIGEST,
      platforms: ['linux/amd64'],
      labels: { a: 'b' },
    });
    const several = { 'linux/amd64': image, 'linux/arm64': { ...image, architecture: 'arm64' } };
    expect(
      parseInspection(JSON.stringify({ manifest: { digest: DIGEST }, image: several })).platforms,
    ).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('has an image with attestations, whose index names a manifest of no platform', () => {
    const manifest = {
      digest: DIGEST,
      manifests: [
        { digest: DIGEST, platform: { os: 'linux', architecture: 'amd64' } },
        { digest: DIGEST, platform: { os: 'unknown', architecture: 'unknown' } },
      ],
    };
    const image = { os: 'linux', architecture: 'amd64', config: { Labels: { a: 'b' } } };
    expect(parseInspection(JSON.stringify({ manifest, image }))).toEqual({
      digest: DIGEST,
      platforms: ['linux/amd64'],
      labels: { a: 'b' },
    });
  });

  it.each([
    ['unauthorized: authentication required', /docker login r\.example /],
    ['denied: requested access to the resource is denied', /docker login/],
    ['error: registry is read-only during garbage collection', /garbage/],
    // What Docker makes of the answer 405 of a registry that is read-only.
    ['unknown: Method not allowed', /garbage/],
    ['error: Get "https://r/v2/": dial tcp: lookup r: no such host', /registry up/],
    ['error: write: broken pipe', /type it again/],
    ['failed to copy: failed to send write: use of closed network connection', /type it again/],
    ['Cannot connect to the Docker daemon at unix:///x', /start Docker/],
  ])('refuses: %s', (stderr, hint) => {
    expect(registryError(result(stderr), 'push x', 'r.example/team/x:1').hints.join()).toMatch(hint);
  });

  it('without Docker: 127', () => {
    expect(registryError(result('', 127), 'push x')).toMatchObject({
      exitCode: 127,
      message: 'cannot push x: docker is not installed, or not on PATH',
    });
  });
});

const MANIFEST = (image: string, extra = '', token = 'x') => `# Source: a
apiVersion: v1
kind: Secret
metadata: {name: w-secrets}
stringData: {T: ${token}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: w}
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: worker
          image: "${image}"
          env: [{name: WORKER_IMAGE, value: "${image}"}${extra}]
`;

describe('what an upgrade would change', () => {
  it('nothing but the image', () => {
    expect(manifestChanges(MANIFEST('r/w:1'), MANIFEST(`r/w@${DIGEST}`), ['r/w:1', `r/w@${DIGEST}`])).toEqual(
      [],
    );
    expect(rolledBy(MANIFEST('r/w:1'), 'worker')).toEqual({ image: 'r/w:1', replicas: 1 });
    const beside = MANIFEST('r/w:1').replace(
      '- name: worker',
      '- {name: mesh, image: m}\n        - name: worker',
    );
    expect(rolledBy(beside, 'worker')).toMatchObject({ image: 'r/w:1' });
    expect(rolledBy(beside, 'other')).toBeNull();
  });
  it('another line, by its object', () => {
    expect(manifestChanges(MANIFEST('a'), MANIFEST('a', ', {name: NEW, value: b}'), ['a'])).toEqual([
      '~ Deployment/w: + - name: NEW',
      '~ Deployment/w: + value: b',
    ]);
  });
  it('a Secret, of which only the name is told', () => {
    expect(manifestChanges(MANIFEST('a'), MANIFEST('a', '', 'token-1'), ['a'])).toEqual([
      '~ Secret/w-secrets changes',
    ]);
  });
  it('where values.yaml has a number for a quantity', () => {
    const limited = (cpu: number) =>
      MANIFEST('a').replace('          env:', `          resources: {limits: {cpu: ${cpu}}}\n          env:`);
    expect(manifestChanges(limited(2), limited(2), ['a'])).toEqual([]);
    expect(manifestChanges(limited(1), limited(2), ['a'])).toEqual([
      '~ Deployment/w: - cpu: 1',
      '~ Deployment/w: + cpu: 2',
    ]);
  });
  it('are not looked for in what is too long to be the manifest of a worker', () => {
    const long = MANIFEST('a') + '# more\n'.repeat(100_000);
    expect(() => manifestChanges(long, long, [])).toThrow(/has \d+ characters; no worker has such a release/);
  });

  it('objects that come and go', () => {
    const more = `${MANIFEST('a')}---\nkind: ConfigMap\nmetadata: {name: c}\n`;
    expect(manifestChanges(MANIFEST('a'), more, ['a'])).toEqual(['+ ConfigMap/c is new']);
    expect(manifestChanges(more, MANIFEST('a'), ['a'])).toEqual(['- ConfigMap/c is gone']);
  });
});

describe('Helm', () => {
  const rows = (...statuses: string[]) =>
    parseHistory(JSON.stringify(statuses.map((status, index) => ({ revision: index + 1, status }))));
  it.each([
    [['superseded', 'deployed'], 2],
    [['superseded', 'deployed', 'pending-upgrade'], 2],
    [['superseded', 'failed', 'pending-rollback'], 1],
    [['pending-install'], undefined],
  ])('%j: last deployed', (statuses, revision) => {
    expect(lastDeployed(rows(...statuses))?.revision).toBe(revision);
  });
  it('tells a pending release', () => {
    expect(isPending(parseStatus('{"version":2,"info":{"status":"pending-upgrade"}}'))).toBe(true);
    expect(isPending(parseStatus('{"version":2,"info":{"status":"failed"}}'))).toBe(false);
  });
  it('keeps the values given before, and passes secrets on stdin', () => {
    expect(
      upgradeArgs(
        { name: 'w' },
        { chart: '/c', set: { replicas: 0, 'image.digest': DIGEST }, values: { a: 'secret' } },
      ),
    ).toEqual([
      'upgrade',
      'w',
      '/c',
      '--reset-then-reuse-values',
      '--set=replicas=0',
      `--set-string=image.digest=${DIGEST}`,
      '--values=-',
    ]);
  });
  it.each([
    [
      'Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress',
      'pending',
      /wait for it/,
    ],
    ['Error: UPGRADE FAILED: release: already exists', 'pending', /wait for it/],
    [
      "Error: UPGRADE FAILED: values don't meet the specifications of the schema(s)",
      'values',
      /no longer fit/,
    ],
    ['Error: path "charts/x" not found', 'chart', /checkout/],
    [
      'Error: conflict occurred: Apply failed with 1 conflict: conflict with "kubectl-edit"',
      'conflict',
      /force-conflicts/,
    ],
    [
      'Error: secrets is forbidden: User "x" cannot list resource "secrets" in API group ""',
      'cluster',
      /verb list on secrets/,
    ],
    [
      'Error: kubernetes cluster unreachable: Get "https://x": dial tcp: connect: connection refused',
      'unreachable',
      /cluster up/,
    ],
    ['Error: context "nope" does not exist', 'cluster', /get-contexts/],
  ])('%s', (stderr, kind, hint) => {
    const error = helmError(result(stderr), WORKER, 'upgrade');
    expect(error).toMatchObject({ kind });
    expect(error.hints.join()).toMatch(hint);
  });
});

const snapshot = (given: Partial<Snapshot> = {}): Snapshot =>
  ({
    now: 0,
    sessions: [],
    queue: [],
    pipelines: [],
    clones: [],
    heartbeat: null,
    drain: null,
    repairs: [],
    boot: null,
    locks: { boot: true, checkIn: false },
    dialect: null,
    disk: null,
    faults: [],
    ...given,
  }) as Snapshot;
const facts = (given: Partial<Snapshot> = {}, integrity = 'ok') => ({
  build: null,
  state: { database: 'sqlite' as const, schema: 3, rows: 1, newest: 1, integrity },
  snapshot: snapshot(given),
});
const rows = (...issues: number[]) =>
  issues.map((issue) => ({ issue, status: 'completed' })) as unknown as Snapshot['queue'];
const boot = (status: string, finishedAt: string | null = 'now') =>
  ({ finishedAt, phases: [{ name: 'docker', status, message: 'm' }] }) as unknown as Snapshot['boot'];
const heartbeat = (state: string) => ({ state }) as Snapshot['heartbeat'];

describe('an image whose factory has another database', () => {
  const waiting = { issue: 1, status: 'pending', position: 1, owner: 'demo', pipeline: null };
  const queue = [waiting] as unknown as Snapshot['queue'];
  const dialect = { name: 'B', postgres: false } as Snapshot['dialect'];
  const C = { schema: null, dialect: 'B with PostgreSQL', postgres: true };

  it('would leave open rows behind', () => {
    expect(rowsLeftBehind(facts({ dialect, queue }), C)).toBe(
      'its factory keeps its queue in PostgreSQL, the worker’s in SQLite, and the queue is not carried over: demo#1',
    );
    expect(rowsLeftBehind(facts({ dialect, faults: [{ part: 'queue', message: 'x' }] }), C)).toMatch(
      /rows that cannot be read/,
    );
  });

  it('leaves none behind when nothing is open, or it is the same kind', () => {
    expect(rowsLeftBehind(facts({ dialect }), C)).toBeNull();
    expect(rowsLeftBehind(facts({ dialect, queue }), { ...C, postgres: false })).toBeNull();
    expect(rowsLeftBehind(facts({ queue }), C)).toBeNull();
    expect(rowsLeftBehind(null, C)).toBeNull();
  });
});

describe('a worker after a release', () => {
  it.each([
    ['is as before', facts(), facts(), []],
    ['got more work meanwhile', facts({ queue: rows(1) }), facts({ queue: rows(1, 2) }), []],
    [
      'lost rows',
      facts({ queue: rows(1, 2) }),
      facts({ queue: rows(2) }),
      ['rows of its queue are gone: #1'],
    ],
    [
      'has another database, into which its queue is imported afterwards',
      facts({ queue: [...rows(1), { issue: 2, status: 'pending' }] as unknown as Snapshot['queue'] }),
      { ...facts(), state: { ...facts().state, database: 'postgres' as const } },
      [],
    ],
    [
      'has no whole database',
      facts(),
      facts({}, 'row 3 missing'),
      ['its database is damaged: row 3 missing'],
    ],
    [
      'lost Docker',
      facts({ boot: boot('ok') }),
      facts({ boot: boot('failed') }),
      ['its boot phase docker failed: m'],
    ],
    ['had no Docker before either', facts({ boot: boot('failed') }), facts({ boot: boot('failed') }), []],
    [
      'cannot read its queue',
      facts({ queue: rows(1) }),
      facts({ faults: [{ part: 'queue', message: 'no such column' }] }),
      ['factory cannot read its queue: no such column'],
    ],
  ])('%s', (_, before, after, expected) => {
    expect(worseThan(before, after)).toEqual(expected);
  });

  it.each([
    [{ boot: boot('ok'), heartbeat: heartbeat('drained') }, true],
    [{ boot: boot('running'), heartbeat: heartbeat('drained') }, false],
    [{ boot: boot('ok', null), heartbeat: heartbeat('drained') }, false],
    [{ boot: boot('ok'), heartbeat: null }, false],
    [{ boot: boot('ok'), heartbeat: heartbeat('waiting'), locks: { boot: false, checkIn: false } }, false],
  ])('is up: %#', (given, expected) => {
    expect(isUp(facts(given))).toBe(expected);
  });
});

describe('the state of the database', () => {
  it('in numbers', () => {
    expect(parseDatabaseState('database=sqlite\nschema=3\nrows=2\nnewest=7\nintegrity=ok')).toEqual({
      database: 'sqlite',
      schema: 3,
      rows: 2,
      newest: 7,
      integrity: 'ok',
    });
    expect(parseDatabaseState('database=none')).toEqual({
      database: 'none',
      schema: null,
      rows: null,
      newest: null,
      integrity: null,
    });
  });
});

describe('the pre-pull’s answer', () => {
  it('is its last line', () => {
    const answer = {
      build: { revision: 'r' },
      schema: 8,
      postgres: false,
      help: '      --config string  path (required)\n',
    };
    expect(parseResult(`noise\nRESULT ${JSON.stringify(answer)}\n`, WORKER)).toEqual({
      build: { revision: 'r' },
      schema: 8,
      dialect: 'B',
      postgres: false,
    });
    expect(() => parseResult('ok\n', WORKER)).toThrow(/said nothing/);
  });

  const ended = (exitCode: number) => ({ name: 'check', state: { terminated: { exitCode } } });
  const mesh = { name: 'mesh', state: { running: {} } };
  it.each<[string, PodObject['status'], 'passed' | 'failed' | null]>([
    ['it has not begun', { phase: 'Pending' }, null],
    [
      'it goes on',
      { phase: 'Running', containerStatuses: [{ name: 'check', state: { running: {} } }] },
      null,
    ],
    ['it passed', { phase: 'Succeeded', containerStatuses: [ended(0)] }, 'passed'],
    ['it passed, and a sidecar goes on', { phase: 'Running', containerStatuses: [mesh, ended(0)] }, 'passed'],
    ['it failed, and a sidecar goes on', { phase: 'Running', containerStatuses: [mesh, ended(1)] }, 'failed'],
    ['the node refused the pod', { phase: 'Failed', reason: 'OutOfcpu' }, 'failed'],
  ])('its result, when %s', (_, status, result) => {
    expect(resultOf({ metadata: {}, status: status ?? {} })).toBe(result);
  });
});

describe('the pull of the pre-pull', () => {
  const creating = [{ name: 'check', state: { waiting: { reason: 'ContainerCreating' } } }];
  const sandbox = (status: string) => [{ type: 'PodReadyToStartContainers', status }];
  it.each<[string, PodObject['status'], boolean]>([
    [
      'is what is left to do in a sandbox',
      { conditions: sandbox('True'), containerStatuses: creating },
      true,
    ],
    ['has not begun before', { conditions: sandbox('False'), containerStatuses: creating }, false],
    ['is not told by an older Kubernetes', { containerStatuses: creating }, false],
    [
      'has failed',
      {
        conditions: sandbox('True'),
        containerStatuses: [{ name: 'check', state: { waiting: { reason: 'ErrImagePull' } } }],
      },
      false,
    ],
    [
      'is over',
      { conditions: sandbox('True'), containerStatuses: [{ name: 'check', state: { running: {} } }] },
      false,
    ],
  ])('%s', (_, status, pulling) => {
    expect(isPulling({ metadata: {}, status: status ?? {} })).toBe(pulling);
  });
});

describe('the last events of a pod', () => {
  it('are warnings where there are some, each once', () => {
    const event = (type: string, message: string, lastTimestamp: string) => ({
      metadata: {},
      type,
      reason: 'R',
      message,
      lastTimestamp,
    });
    expect(
      describeEvents([
        event('Warning', 'b', '2'),
        event('Normal', 'n', '3'),
        event('Warning', 'a', '1'),
        event('Warning', 'b', '4'),
      ]),
    ).toBe('R: a; R: b');
    expect(describeEvents([event('Normal', 'n', '3')])).toBe('R: n');
  });
});

describe('a build', () => {
  const options: BuildOptions = {
    repository: 'r/w',
    tag: 't',
    revision: 'abc',
    dirty: false,
    factory: { dir: '/f', sha256: 'ff' },
    architectures: ['amd64'],
    base: undefined,
    attests: false,
    sbom: true,
    log: '/log',
    terminal: false,
  };
  const image = {
    digest: DIGEST,
    platforms: ['linux/amd64'],
    labels: { 'org.opencontainers.image.revision': 'abc', 'factory-worker.factory.sha256': 'ff' },
  };
  it('is there already when checkout, factory and platform are the same', () => {
    expect(isSame(image, options)).toBe(true);
    expect(isSame(image, { ...options, revision: 'abd' })).toBe(false);
    expect(isSame(image, { ...options, factory: { dir: '/f', sha256: 'fe' } })).toBe(false);
    expect(isSame(image, { ...options, architectures: ['amd64', 'arm64'] })).toBe(false);
    expect(isSame(image, { ...options, dirty: true })).toBe(false);
  });
  it('is loaded into Docker where it is for one platform', () => {
    expect(buildArgv(options, 'load')).toContain('--load');
    expect(buildArgv({ ...options, architectures: ['amd64', 'arm64'] }, 'load')).not.toContain('--load');
  });
  it('has a tag that never names two images', () => {
    expect(tagOf('v1.2-3-gabc/def', '0123456789abcdef')).toBe('v1.2-3-gabc-def-f01234567');
    expect(() => parsePlatforms(['windows/amd64'])).toThrow(/--platform/);
    expect(parsePlatforms(['linux/arm64', 'arm64'])).toEqual(['arm64']);
  });
  it('tells why it failed', () => {
    expect(
      reasonIn(
        '#1 a\nfactory cannot be used in this image: it needs GLIBC_2.38\nERROR: failed to solve: exit code: 1\n',
      ),
    ).toMatch(/GLIBC_2.38/);
    expect(reasonIn('a\nERROR: failed to solve: no match for platform\n')).toBe(
      'failed to solve: no match for platform',
    );
  });
});

describe('the factory program', () => {
  const elf = (machine: number) => {
    const head = Buffer.alloc(20);
    head.write('\u007fELF', 'latin1');
    head.writeUInt16LE(machine, 18);
    return head;
  };
  it.each([
    [elf(0x3e), 'amd64'],
    [elf(0xb7), 'arm64'],
    [elf(0x28), null],
    [Buffer.from('#!/bin/bash'), 'script'],
    [Buffer.from([0xcf, 0xfa, 0xed, 0xfe]), null],
    [Buffer.alloc(0), null],
  ])('%#: %s', (head, expected) => {
    expect(platformOf(head)).toBe(expected);
  });

  const stage = (file: string | undefined, ...architectures: ('amd64' | 'arm64')[]) =>
    stageFactory(
      {
        env: {},
        exec: fakeExec(() => ({
          code: 1,
          stderr:
            '\nfactory cannot be used in this image: it cannot open its database\n  next: build it with CGO_ENABLED=1\n',
        })),
        signal: new AbortController().signal,
      },
      file,
      architectures,
      join(scratch, 'staged'),
    );

  it('for another platform, missing, or not named, is refused before anything is built', async () => {
    const file = join(scratch, 'factory');
    writeFileSync(file, elf(0xb7));
    await expect(stage(file, 'amd64')).rejects.toThrow(/is for arm64, and the image is for linux\/amd64/);
    await expect(stage(join(scratch, 'nope'), 'amd64')).rejects.toThrow(/there is no such file/);
    await expect(stage(undefined, 'amd64')).rejects.toThrow(/--factory is missing/);
    await expect(stage(file, 'amd64', 'arm64')).rejects.toThrow(/cannot serve two platforms/);
  });

  it(
    'that cannot open its database is refused with the cure',
    needs(process.platform === 'linux', 'Linux'),
    async () => {
      const file = join(scratch, 'cgoless');
      const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
      writeFileSync(file, elf(own === 'arm64' ? 0xb7 : 0x3e));
      await expect(stage(file, own)).rejects.toMatchObject({
        message: expect.stringContaining('cannot open its database'),
        hints: ['build it with CGO_ENABLED=1'],
      });
    },
  );
});

describe('the exit code of a release', () => {
  const done = { result: 'done', exitCode: 0 } as const;
  const failed = { result: 'failed', exitCode: 1 } as const;
  const late = { result: 'failed', exitCode: 124 } as const;
  const untouched = { result: 'untouched' } as const;
  it.each<[string, Parameters<typeof exitCodeOf>[0], number]>([
    ['all are done', [done, { result: 'unchanged' }], 0],
    ['one alone gives its own', [late], 124],
    ['one alone that failed', [failed], 1],
    ['the first drain took too long', [late, untouched, untouched], 124],
    ['a later drain took too long', [done, late], 124],
    ['all failed', [failed, untouched], 1],
    ['some failed', [done, failed], 3],
    ['some failed, each for a reason of its own', [done, failed, late], 3],
  ])('%s', (_, results, code) => {
    expect(exitCodeOf(results)).toBe(code);
  });
});

describe('the records', () => {
  it('are found again, oldest first, and the open one of a worker among them', () => {
    const env = { XDG_STATE_HOME: scratch };
    const given = {
      kind: 'rollout',
      image: 'b',
      previous: { image: 'a', revision: 1, podUid: 'u' },
    } as const;
    const first = { ...newRecord(WORKER, given, new Date(1_000)), state: 'done' as const };
    const second = newRecord(WORKER, given, new Date(2_000));
    saveRecord(env, second);
    saveRecord(env, first);
    writeFileSync(join(scratch, 'factory-worker', 'releases', 'broken.json'), '{');
    expect(readRecords(env).map(({ id }) => id)).toEqual([first.id, second.id]);
    expect(unfinished(readRecords(env), WORKER)?.id).toBe(second.id);
    expect(unfinished(readRecords(env), { ...WORKER, namespace: 'other' })).toBeNull();
    const alive = { ...second, pid: process.ppid };
    saveRecord(env, alive);
    expect(isUnderWay(alive, env)).toBe(true);
    expect(isUnderWay({ ...alive, pid: 0 }, env)).toBe(false);
    // Written before this machine was started: the number is another process's by now.
    utimesSync(recordPath(env, alive), 1, 1);
    expect(isUnderWay(alive, env)).toBe(false);
  });
});
