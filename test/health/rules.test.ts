/** Every rule of `why` over facts as programs print them. Made for real: test/unstick/commands.worker.test.ts, test/e2e/why.test.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import type { LocalWorker } from '../../scripts/lib/config/worker-entry.ts';
import { BOOK } from '../../scripts/lib/health/book.ts';
import type { ClusterFacts, EventObject, WorkerPod } from '../../scripts/lib/health/cluster.ts';
import { type Finding, NOT_ASKED } from '../../scripts/lib/health/facts.ts';
import { disksOf, parseDocker, parseInside, parsePanes } from '../../scripts/lib/health/inside.ts';
import { judge, PROBE_BOOK, severityOf } from '../../scripts/lib/health/report.ts';
import { type PodObject, podFacts } from '../../scripts/lib/transport/pods.ts';
import type { NodeObject, VolumeObject } from '../../scripts/lib/worker/volume-nodes.ts';
import { captured, capturedText } from '../claude/captured.ts';
import { commandLine, WORKER } from '../support/samples.ts';
import { NOW, pod as podObject, running, waiting } from '../transport/cluster.ts';
import {
  boot,
  CLOCK,
  frame,
  heartbeat,
  heldHeartbeat,
  type Parts,
  pipelinesJson,
  RUNNING,
  snapshot,
} from '../worker/samples.ts';

const worker: LocalWorker = { runtime: 'local', name: 'w', home: '/w' };
const stage = (name: string, quiet = 5) => `${name}\t${CLOCK - quiet}\t${CLOCK - 3600}\t0\t0\t`;
const ORCHESTRATOR = stage('orchestrator');
const row = (fields: object) =>
  JSON.stringify([{ ID: 1, Position: 1, FeatureIntent: 'x', AddedAt: '', Status: 'pending', ...fields }]);
const beat = (fields: object) => JSON.stringify({ ...heartbeat, ...fields });
const busy = {
  locks: 'boot=held\ncheck-in=held',
  heartbeat: beat({ state: 'checking-in', finishedAt: null }),
};
const dockerOn = JSON.stringify({
  ...boot,
  phases: [{ name: 'docker', status: 'ok', startedAt: boot.startedAt, ms: 1, message: '' }],
});

/** Findings about a worker on this machine. */
function look(parts: Parts): Finding[] {
  const seen = snapshot(parts);
  const answer = frame({ ...RUNNING, ...parts });
  const inside = parseInside(answer);
  const panes = parsePanes(answer);
  const [docker, disks] = [parseDocker(answer), disksOf(answer)];
  const facts = {
    worker,
    pod: null,
    refusal: null,
    snapshot: seen,
    panes,
    docker,
    disks,
    inside,
    cluster: null,
  };
  return [...judge({ ...facts, command: commandLine }, BOOK).problems];
}

describe('an agent that asks for a long time', () => {
  const asking = (parts: Parts = {}): Parts => ({
    ...busy,
    heartbeat: beat({ state: 'checking-in', finishedAt: null, asks: '23-build-1' }),
    pipelines: pipelinesJson({ issue: 23, sessionState: 'active' }),
    sessions: stage('23-build-1', 3600),
    ...parts,
  });
  const CAUSE = 'the session 23-build-1 asks a question, and its stage waits until it is answered';

  it('is not silent, and the probe alone says what it waits for', () => {
    const facts = { ...NOT_ASKED, worker, pod: null, refusal: null, snapshot: snapshot(asking()) };
    expect(judge({ ...facts, command: commandLine }, PROBE_BOOK)).toEqual({
      status: 'degraded',
      problems: [
        expect.objectContaining({
          id: 'asks',
          severity: 'error',
          cause: CAUSE,
          next: ['answer it: factory-worker answer w 23-build-1'],
        }),
      ],
    });
  });

  it('nor where its pane is known, which is told once', () => {
    const found = look(asking({ 'pane.0': `23-build-1\tclaude\t0\n${capturedText('question')}` }));
    expect(found).toMatchObject([{ id: 'pane-question', status: 'degraded', cause: CAUSE }]);
  });

  it('is told by claude’s own word when the screen is a new one', () => {
    const found = look(asking({ 'pane.0': '23-build-1\tclaude\t0\nPick one, please' }));
    expect(found).toMatchObject([
      {
        id: 'pane-question',
        evidence: ['its pane: Pick one, please'],
        next: ['answer it: factory-worker attach w --session 23-build-1'],
      },
    ]);
  });

  it('asks no more when its check-in has ended', () => {
    const facts = { ...NOT_ASKED, worker, pod: null, refusal: null };
    const ended = snapshot(asking({ locks: 'boot=held\ncheck-in=free', pipelines: '[]' }));
    expect(judge({ ...facts, snapshot: ended, command: commandLine }, PROBE_BOOK).problems).toEqual([]);
  });
});

describe('the database of a worker', () => {
  const told = (database: object, parts: Parts = {}) =>
    look({ ...parts, heartbeat: beat({ state: 'refused', reason: 'the database is down', database }) });

  it('is down, or has failed: one finding, with a cure', () => {
    const queue = { rc: 1, text: '' };
    const parts = { queue, 'queue.error': 'Error: ping database: failed to connect\n' };
    const says = 'its server ended; it is started again in 8s';
    expect(told({ kind: 'postgres', state: 'down', says }, parts)).toEqual([
      {
        severity: 'error',
        status: 'degraded',
        id: 'database-down',
        cause: `the worker’s PostgreSQL does not answer, and no work is taken: ${says}`,
        evidence: ['factory: ping database: failed to connect'],
        next: ['what it says: factory-worker logs w postgres --lines 30'],
      },
    ]);
    expect(told({ kind: 'url', state: 'failed', says: 'no pg_hba.conf entry' })).toMatchObject([
      {
        status: 'stuck',
        id: 'database-failed',
        cause: 'the database in DATABASE_URL does not let the worker in: no pg_hba.conf entry',
        next: [expect.stringContaining('pg_hba.conf'), expect.stringContaining('local up w')],
      },
    ]);
  });

  it.each([
    [
      'failed to connect to `user=me database=d`: 10.0.0.9:5432 (db): dial error: dial tcp 10.0.0.9:5432: connect: connection refused',
      'cannot be reached',
      /^start its server/,
    ],
    [
      'FATAL: password authentication failed for user "me" (SQLSTATE 28P01)',
      'refuses its user or password',
      /ALTER ROLE/,
    ],
    [
      'FATAL: no pg_hba.conf entry for host "10.0.0.9" (SQLSTATE 28000)',
      'does not let the worker in',
      /pg_hba/,
    ],
    ['FATAL: database "d" does not exist (SQLSTATE 3D000)', 'is not there', /CREATE DATABASE/],
    [
      'hostname resolving error: lookup db: no such host',
      'cannot be reached: the name of its server is unknown to the worker',
      /host/,
    ],
    [
      'tls error: server refused TLS connection',
      'cannot be reached: the two do not agree on encryption',
      /sslmode/,
    ],
    [
      'migrate: ERROR: permission denied for schema public (SQLSTATE 42501)',
      'does not let its user make tables',
      /OWNER TO/,
    ],
  ])('of the operator: %s', (says, what, cure) => {
    const database = { kind: 'url', state: 'failed', says };
    expect(told(database)).toMatchObject([
      {
        cause: `the database in DATABASE_URL ${what}: ${says}`,
        next: [expect.stringMatching(cure), expect.any(String)],
      },
    ]);
    // Nobody watches it: after the boot only factory notices.
    const parts = { queue: { rc: 1, text: '' }, 'queue.error': `Error: ping database: ${says}\n` };
    const [later, ...more] = look({
      ...parts,
      heartbeat: beat({ database: { kind: 'url', state: 'ready' } }),
    });
    expect(more).toEqual([]);
    expect(later).toMatchObject({
      id: 'database-down',
      status: 'degraded',
      cause: expect.stringContaining(` ${what}, and no work is taken: `),
    });
  });

  it('is told by the boot while there is no heartbeat yet', () => {
    const database = { kind: 'postgres', state: 'failed', says: 'initdb failed' };
    expect(
      look({ heartbeat: { rc: 1, text: '' }, boot: JSON.stringify({ ...boot, database }) }),
    ).toContainEqual(expect.objectContaining({ id: 'database-failed' }));
  });

  it('that is there, starts, or is SQLite, is no finding', () => {
    for (const database of [
      { kind: 'postgres', state: 'ready' },
      { kind: 'url', state: 'starting' },
      { kind: 'sqlite', state: 'down' },
    ])
      expect(look({ heartbeat: beat({ database }) })).toEqual([]);
  });
});

describe('inside a worker', () => {
  it.each<[string, Parts, string, RegExp]>([
    [
      'interrupted',
      { pipelines: pipelinesJson({ issue: 23 }) },
      'interrupted',
      /23-build-1 is gone from tmux.*factory-worker unstick w 23/,
    ],
    [
      'a session that is gone while a check-in waits for it',
      {
        ...busy,
        pipelines: JSON.stringify([
          {
            issue: 23,
            status: 'in_progress',
            stage: 'qa',
            attempt: 1,
            session: '23-qa-1',
            session_state: 'active',
          },
        ]),
      },
      'session-gone',
      /factory believes it is active.*factory-worker logs w 23-qa-1/,
    ],
    [
      'tmux',
      { sessions: { rc: 1, text: '' }, 'sessions.error': 'no server running' },
      'tmux-gone',
      /no server running/,
    ],
    [
      'a blocked pipeline',
      {
        pipelines: pipelinesJson({ issue: 23, status: 'blocked' }),
        failures:
          '2026 check-in in demo: #2 escalate x\n2026 check-in in demo: #23 escalate build (advance error)',
      },
      'pipeline-blocked',
      /#23 escalate build \(advance error\).*factory-worker unstick w 23 --give-up/,
    ],
    [
      'a person in the session',
      {
        pipelines: pipelinesJson({ issue: 23 }),
        sessions: stage('23-build-1'),
        'human.0': '23-build-1\nState: active\nHuman:     true',
      },
      'human-driven',
      /Human: true.*factory-worker unstick w 23/,
    ],
    [
      'a prompt',
      {
        sessions: stage('23-build-1'),
        'pane.0': `23-build-1\tclaude\t0\n${capturedText('trust')}`,
      },
      'pane-trust',
      /answer it: factory-worker answer w 23-build-1/,
    ],
    [
      'an agent that has ended',
      {
        ...busy,
        pipelines: pipelinesJson({ issue: 23 }),
        sessions: stage('23-build-1'),
        'pane.0': '23-build-1\tbash\t0\n$ ',
        'lone-shells': '23-build-1',
      },
      'agent-ended',
      /only the shell is left/,
    ],
    [
      'silence',
      { ...busy, pipelines: pipelinesJson({ issue: 23 }), sessions: stage('23-build-1', 1200) },
      'silent',
      /silent for 20m.*--give-up/,
    ],
    [
      'a limit that factory has seen',
      { pipelines: pipelinesJson({ issue: 23, status: 'rate_limited' as const }) },
      'rate-limited',
      /wait w issue:23=completed/,
    ],
    [
      'a limit of the last try, while the next one runs',
      {
        ...busy,
        pipelines: pipelinesJson({ issue: 23 }),
        sessions: stage('23-build-1'),
        failures: `${new Date((CLOCK - 60) * 1000).toISOString()} check-in in demo: #23 rate_limited build (46s)`,
      },
      'rate-limited',
      /#23 has hit the limit.*each check-in tries again.*rate_limited build/,
    ],
    [
      'a dependency that has failed',
      {
        queue: JSON.stringify([
          { Issue: 22, Status: 'failed' },
          { Issue: 23, Status: 'pending', DependsOn: [22] },
        ]),
        pipelines: pipelinesJson({ issue: 22, status: 'failed' }),
      },
      'dependency-failed',
      /demo#23 waits for #22.*queue w requeue 22.*queue w remove 22/,
    ],
    [
      'a row without an intent',
      {
        queue: row({ Issue: 23 }),
        heartbeat: beat({
          actions: [{ issue: 23, action: 'skip', message: 'queue: issue missing feature_intent' }],
        }),
      },
      'row-without-intent',
      /queue w set-intent 23/,
    ],
    [
      'a row that failed at once',
      { queue: row({ Issue: 23, Status: 'failed' }) },
      'row-failed',
      /queue w requeue 23/,
    ],
    [
      'a row that is behind its pipeline',
      {
        queue: row({ Issue: 42, Status: 'active' }),
        pipelines: pipelinesJson({ issue: 42, status: 'completed' }),
      },
      'row-behind',
      /still says active.*queue w remove 42/,
    ],
    [
      'a number of two projects',
      {
        queue: row({ Issue: 42, Status: 'pending', Namespace: 'acme/other' }),
        pipelines: pipelinesJson({ issue: 42, status: 'completed' }),
      },
      'number-used-twice',
      /in acme\/other.*unstick w 42/,
    ],
    [
      'a loop that waits',
      { queue: row({ Issue: 23 }), heartbeat: beat({ reason: '#23 waits for the clone' }) },
      'loop-waits',
      /waits for the clone/,
    ],
    [
      'Docker down',
      { boot: dockerOn, docker: { rc: 1, text: '' }, 'docker.error': 'Cannot connect' },
      'docker-down',
      /Cannot connect.*logs w docker/,
    ],
    ['vfs', { boot: dockerOn, docker: 'driver=vfs\nversion=26' }, 'docker-driver', /vfs/],
    [
      'Docker on an overlay',
      { boot: dockerOn, docker: 'driver=overlay2\nversion=26\nbelow=overlayfs' },
      'docker-driver',
      /is on an overlay.*\/var\/lib\/docker: overlayfs/,
    ],
    [
      'the MTU',
      { boot: dockerOn, docker: 'driver=overlay2', 'docker-networks': 'pod 1450\nbridge 1450\nold_default ' },
      'mtu',
      /old_default: 1500/,
    ],
    [
      'a full disk',
      { disks: '/dev/x 100 95 5 95% /var/lib/docker' },
      'disk',
      /\/var\/lib\/docker is 95% full.*cleanup w --dry-run/,
    ],
    [
      'a container killed for memory',
      {
        memory: 'pod 0 1 100\ndocker 3 50 60',
        oom: '[1.5] oom-kill:constraint=C,oom_memcg=/k/pod1/docker,task_memcg=/k/pod1/docker/7,task=node,pid=7,uid=0',
      },
      'oom-container',
      /killed node \(pid 7 of the node\)/,
    ],
    [
      'a container killed for memory, of which with cgroup v1 only the kernel tells',
      {
        memory: 'pod 0 1 100\ndocker 0 50 60',
        oom: '[1.5] oom-kill:constraint=C,oom_memcg=/k/pod1/5/docker,task_memcg=/k/pod1/5/docker/7,task=dd,pid=7,uid=0',
      },
      'oom-container',
      /all containers together \(1 kill\)/,
    ],
    [
      'a process killed for memory',
      { memory: 'pod 2 1 100\ndocker 0 50 60' },
      'oom-process',
      /limit of the pod \(2 kills\)/,
    ],
  ])('%s', (_, parts, id, text) => {
    const found = look({ sessions: ORCHESTRATOR, ...parts });
    const finding = found.find((candidate) => candidate.id === id);
    expect({ found: found.map((candidate) => candidate.id), finding }).toMatchObject({ finding: { id } });
    expect([finding?.cause, ...(finding?.evidence ?? []), ...(finding?.next ?? [])].join(' ')).toMatch(text);
    expect(finding?.evidence).not.toEqual([]);
  });

  it.each<[string, Parts]>([
    ['a worker with nothing to do', {}],
    [
      'one at work',
      {
        ...busy,
        pipelines: pipelinesJson({ issue: 23 }),
        sessions: `${ORCHESTRATOR}\n${stage('23-build-1', 20)}`,
        'pane.0': '23-build-1\tclaude\t0\n● Editing',
      },
    ],
    [
      'healthy Docker, memory and disks',
      {
        boot: dockerOn,
        docker: 'driver=overlay2',
        'docker-networks': 'pod 1450\nbridge 1450',
        memory: 'pod 0 1 100\ndocker 0 1 50',
        disks: '/dev/x 100 20 80 20% /',
      },
    ],
    [
      'layers on btrfs, which shares them',
      { boot: dockerOn, docker: 'driver=btrfs\nversion=26\nbelow=btrfs' },
    ],
    [
      'a question in a session of no stage',
      { sessions: stage('mine'), 'pane.0': 'mine\tbash\t0\nOverwrite? [y/N]' },
    ],
    [
      'a person in the session of a stage that a check-in waits for: it goes on',
      {
        ...busy,
        pipelines: pipelinesJson({ issue: 23 }),
        sessions: stage('23-build-1'),
        'human.0': '23-build-1\nHuman:     true',
      },
    ],
    [
      'a limit of a while ago',
      {
        ...busy,
        pipelines: pipelinesJson({ issue: 23 }),
        sessions: stage('23-build-1'),
        failures: `${new Date((CLOCK - 600) * 1000).toISOString()} check-in in demo: #23 rate_limited build (46s)`,
      },
    ],
    [
      'a finished row whose check-in is writing',
      {
        ...busy,
        queue: row({ Issue: 42, Status: 'active' }),
        pipelines: pipelinesJson({ issue: 42, status: 'completed' }),
      },
    ],
  ])('nothing of %s', (_, parts) => {
    expect(look(parts)).toEqual([]);
  });

  it('a worker that is stopped is told as that alone: nobody starts its tmux, and its heartbeat is an old one', () => {
    const found = look({
      locks: 'boot=free\ncheck-in=free',
      sessions: { rc: 1, text: '' },
      'sessions.error': 'no server running',
      queue: row({ Issue: 23 }),
      heartbeat: beat({ reason: '#23 waits for the clone' }),
    });
    expect(found.map(({ id }) => id)).toEqual(['stopped']);
  });

  it.each(['  ⎿  Invalid API key · Please run /login', captured('credit-balance').join('\n')])(
    'an account that does not work is told once, in claude’s words, however many screens say %j',
    (screen) => {
      const [finding, ...others] = look({
        heartbeat: heldHeartbeat(),
        queue: row({ Issue: 23, Status: 'active' }),
        pipelines: pipelinesJson({ issue: 23, status: 'blocked' }),
        sessions: `${ORCHESTRATOR}\n${stage('23-build-1', 300)}`,
        'pane.0': `23-build-1\tclaude\t0\n${screen}`,
      });
      expect(others).toEqual([]);
      expect(finding).toEqual({
        id: 'account-held',
        severity: 'error',
        status: 'degraded',
        cause:
          'token refused: claude does not accept its token, so no work is taken; claude is asked again at 12:05 UTC',
        evidence: [
          'claude said: API Error: 401 Invalid bearer token',
          'no work is taken since 2026-03-02T11:50:00Z',
          '23-build-1 could not work; it is retried automatically',
        ],
        next: ['log its claude in, with HOME=/w/home'],
      });
    },
  );

  it('a Docker that is down is told once, although the boot says it too', () => {
    const phases = [
      { name: 'docker', status: 'failed', startedAt: boot.startedAt, ms: 1, message: 'dockerd ended' },
    ];
    const parts = {
      boot: JSON.stringify({ ...boot, phases }),
      docker: { rc: 1, text: '' },
      'docker.error': 'Cannot connect',
    };
    expect(look({ sessions: ORCHESTRATOR, ...parts }).map(({ id }) => id)).toEqual(['docker-down']);
  });

  it('shows no token that stands on a pane', () => {
    const token = `sk-ant-oat01-${'x'.repeat(40)}`;
    const found = look({
      sessions: stage('23-build-1'),
      'pane.0': `23-build-1\tclaude\t0\nexport CLAUDE_CODE_OAUTH_TOKEN='${token}'\nOverwrite ${token}? [y/N]`,
    });
    expect(found).toHaveLength(1);
    expect(JSON.stringify(found)).not.toContain('xxxx');
  });
});

const facts = (fields: Partial<ClusterFacts>): ClusterFacts => ({
  pod: null,
  pods: [],
  claims: [],
  warnings: [],
  node: null,
  volumes: [],
  nodes: [],
  unreadable: [],
  ...fields,
});

/** Findings about a worker that could not be entered, as `observe` reports it. */
function lookAt(pod: WorkerPod, fields: Partial<ClusterFacts> = {}, refused?: string): Finding[] {
  const { state, reason } = podFacts(pod, undefined, NOW);
  const status = refused === undefined ? state : 'forbidden';
  const cause = refused ?? `worker-1 is ${status}: ${reason}`;
  const refusal: Finding = {
    id: status,
    severity: severityOf(status),
    status,
    cause,
    evidence: [],
    next: [],
  };
  const cluster = facts({ pod, pods: [pod], ...fields });
  const given = { worker: WORKER, pod: null, refusal, snapshot: null, cluster };
  return [...judge({ ...NOT_ASKED, ...given, command: commandLine }, BOOK).problems];
}

const pendingPod = (message: string) =>
  podObject({
    status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', message }] },
  });
const warning = (name: string, reason: string, message: string): EventObject => ({
  kind: 'Event',
  metadata: {},
  type: 'Warning',
  reason,
  message,
  involvedObject: { name },
});
const node = (type: string, status: string): NodeObject => ({
  metadata: { name: 'node-a' },
  status: { conditions: [{ type, status, reason: 'R', message: 'M' }] },
});
const tainted = (key: string): NodeObject => ({
  metadata: { name: 'node-a' },
  spec: { taints: [{ key }] },
});
const there = (name: string, fields: Partial<NodeObject> = {}): NodeObject => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name } },
  ...fields,
});
const onNodeA: VolumeObject = {
  metadata: { name: 'pv-1' },
  spec: {
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node-a'] }] },
        ],
      },
    },
  },
};
const claim = {
  metadata: { name: 'data' },
  spec: { storageClassName: 'none' },
  status: { phase: 'Pending' },
};

const bound = { metadata: { name: 'data' }, spec: { volumeName: 'pv-1' }, status: { phase: 'Bound' } };
const cordoned = { spec: { unschedulable: true } };
const inZone: VolumeObject = {
  metadata: { name: 'pv-1' },
  spec: {
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'topology.kubernetes.io/zone', operator: 'In', values: ['west'] }] },
        ],
      },
    },
  },
};

describe('of a pod that runs', () => {
  const status = running();
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: 'True',
    reason,
    message,
  });
  const withCondition = (extra: ReturnType<typeof condition>) =>
    podObject({ status: { ...status, conditions: [...(status.conditions ?? []), extra] } });
  const nodeWith = (extra: ReturnType<typeof condition>) => ({
    metadata: { name: 'node-a' },
    status: { conditions: [extra] },
  });

  it.each<[string, Partial<ClusterFacts>, string, RegExp]>([
    [
      'a node that is being drained',
      { node: nodeWith(condition('DrainInProgress', 'Drain', 'by ops')) },
      'node-leaves',
      /is being drained.*by ops.*drain worker-1 --wait/,
    ],
    [
      'a node that shuts down',
      { node: nodeWith(condition('GracefulNodeShutdownInProgress', 'Shutdown', '')) },
      'node-leaves',
      /is shutting down/,
    ],
    [
      'new limits that the node has no room for',
      {
        pod: withCondition(
          condition('PodResizePending', 'Deferred', "Node didn't have enough resource: memory"),
        ),
      },
      'resize-pending',
      /limits yet: Deferred.*enough resource: memory.*resize worker-1 --memory SIZE/,
    ],
  ])('%s', (_, fields, id, text) => {
    const pod = podObject({ status });
    const cluster = facts({ pod, pods: [pod], ...fields });
    const given = { worker: WORKER, pod: null, refusal: null, snapshot: null, cluster, command: commandLine };
    const [finding, ...others] = judge({ ...NOT_ASKED, ...given }, BOOK).problems;
    expect([finding?.id, ...others]).toEqual([id]);
    expect(finding?.severity).toBe('warning');
    expect([finding?.cause, ...(finding?.evidence ?? []), ...(finding?.next ?? [])].join(' ')).toMatch(text);
  });
});
/** A worker that runs, behind a container that somebody's webhook has put before it. */
function withSidecar(state: object, more: object = {}): PodObject {
  const { containerStatuses = [], ...status } = running();
  const mesh = { name: 'mesh', restartCount: 0, state, ...more };
  return podObject({
    containers: [{ name: 'mesh' }, { name: 'worker', image: 'i' }],
    status: { ...status, containerStatuses: [mesh, ...containerStatuses] },
  });
}

describe('in Kubernetes', () => {
  const pulling = podObject({ status: waiting('ImagePullBackOff', 'Back-off pulling image "r/x:1"') });
  const name = pulling.metadata.name ?? '';
  const unknown = podObject({ status: running('worker', 'Unknown') });
  const evicted = podObject({
    status: {
      phase: 'Failed',
      reason: 'Evicted',
      message:
        'The node was low on resource: memory. Threshold quantity: 200Mi, available: 100Mi. Container worker was using 523468Ki, request is 128Mi, has larger consumption of memory. ',
    },
  });
  it.each<[string, () => Finding[], string, RegExp]>([
    [
      'a pull secret',
      () => lookAt(pulling, { warnings: [warning(name, 'Failed', 'pull access denied: 401 Unauthorized')] }),
      'image-pull-reason',
      /denies access[\s\S]*imagePullSecrets of the chart: helm upgrade .* --set 'imagePullSecrets=\{SECRET\}'/,
    ],
    [
      'a tag',
      () => lookAt(pulling, { warnings: [warning(name, 'Failed', 'manifest unknown')] }),
      'image-pull-reason',
      /no such image or tag[\s\S]*push it, or name one that exists: .*: helm upgrade .* --set image\.repository=REPOSITORY,image\.tag=TAG,image\.digest=/,
    ],
    [
      'a registry out of reach',
      () => lookAt(pulling, { warnings: [warning(name, 'Failed', 'dial tcp: lookup r: no such host')] }),
      'image-pull-reason',
      /cannot reach the registry/,
    ],
    [
      'a volume',
      () =>
        lookAt(pendingPod('pod has unbound immediate PersistentVolumeClaims'), {
          claims: [claim],
          warnings: [warning('data', 'ProvisioningFailed', 'class "none" not found')],
        }),
      'volume-pending',
      /class "none" not found/,
    ],
    [
      'a taint',
      () => lookAt(pendingPod('1 node(s) had untolerated taint(s)')),
      'unscheduled',
      /--set 'tolerations\[0\]\.key=KEY,tolerations\[0\]\.operator=Exists'/,
    ],
    [
      'the taint of a node that is reserved',
      () =>
        lookAt(pendingPod('1 node(s) had untolerated taint(s)'), {
          nodes: [tainted('dedicated'), tainted('node-role.kubernetes.io/control-plane')],
        }),
      'unscheduled',
      /taints of the node pool: dedicated: helm upgrade .* --set 'tolerations\[0\]\.key=dedicated,/,
    ],
    [
      'the taint of one node, beside another that it tolerates',
      () =>
        lookAt(
          {
            ...pendingPod('1 node(s) had untolerated taint(s), 1 Insufficient cpu'),
            spec: {
              tolerations: [
                { key: 'ours', operator: 'Exists' },
                { key: 'dedicated', value: 'a' },
              ],
            },
          },
          {
            nodes: [
              there('node-a', { spec: { taints: [{ key: 'ours', value: 'x', effect: 'NoSchedule' }] } }),
              there('node-b', { spec: { taints: [{ key: 'dedicated', value: 'b', effect: 'NoSchedule' }] } }),
            ],
          },
        ),
      'unscheduled',
      /taints of the node pool: dedicated: helm/,
    ],
    [
      'the taint of a node in trouble',
      () =>
        lookAt(pendingPod('1 node(s) had untolerated taint(s)'), {
          nodes: [tainted('node.kubernetes.io/memory-pressure')],
        }),
      'unscheduled',
      /^(?!.*tolerations).*node-a takes no pods while it has node\.kubernetes\.io\/memory-pressure; why: kubectl .* describe node node-a/,
    ],
    [
      'a cordoned node',
      () => lookAt(pendingPod('0/1 nodes are available: 1 node(s) were unschedulable.')),
      'unscheduled',
      /uncordon NODE/,
    ],
    [
      'a cordoned node, by its name',
      () =>
        lookAt(pendingPod('0/1 nodes are available: 1 node(s) were unschedulable.'), {
          nodes: [there('node-a', cordoned), there('node-b')],
        }),
      'unscheduled',
      /^no node takes the pod 0\/1 .*a node is cordoned; to lift that: kubectl --context do-nyc1-factory -n factory uncordon node-a nodes:/,
    ],
    [
      'a volume on a cordoned node',
      () =>
        lookAt(
          pendingPod(
            "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) were unschedulable.",
          ),
          { claims: [bound], volumes: [onNodeA], nodes: [there('node-a', cordoned), there('node-b')] },
        ),
      'unscheduled',
      /^(?!.*nodeSelector).*no node takes the pod: its volume pv-1 can only be mounted on node-a \(cordoned\) 0\/2 nodes .* persistentvolume pv-1: kubernetes\.io\/hostname node-a .*uncordon node-a nodes:/,
    ],
    [
      'a volume on a node that takes no pods, of older Kubernetes, beside one that is reserved',
      () =>
        lookAt(
          pendingPod(
            '0/2 nodes are available: 1 node(s) had untolerated taint {x: }, 1 node(s) had volume node affinity conflict.',
          ),
          {
            claims: [bound],
            volumes: [onNodeA],
            nodes: [
              there('node-a', { spec: { taints: [{ key: 'node.kubernetes.io/unreachable' }] } }),
              there('node-b', { spec: { taints: [{ key: 'dedicated' }] } }),
            ],
          },
        ),
      'unscheduled',
      /^(?!.*tolerations).*node-a takes no pods while it has node\.kubernetes\.io\/unreachable/,
    ],
    [
      'a volume on a node that is gone',
      () =>
        lookAt(
          pendingPod("0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity."),
          {
            claims: [bound],
            volumes: [onNodeA],
            nodes: [there('node-b')],
          },
        ),
      'unscheduled',
      /can only be mounted on a node with kubernetes\.io\/hostname node-a, and there is none .*when that node is back.*if that machine is gone for good, the volume is lost with it; delete the claim: kubectl .* delete persistentvolumeclaim data then create a new one: .*provision worker-1 .*restore FILE worker-1/,
    ],
    [
      'a volume in a zone without a node',
      () =>
        lookAt(
          pendingPod("0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity."),
          {
            claims: [bound],
            volumes: [inZone],
            nodes: [there('node-b')],
          },
        ),
      'unscheduled',
      /^(?!.*delete persistentvolumeclaim).*on a node with topology\.kubernetes\.io\/zone west, and there is none .*when there is one/,
    ],
    [
      'a volume that no node can be told of',
      () =>
        lookAt(
          pendingPod("0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity."),
          {
            claims: [bound],
          },
        ),
      'unscheduled',
      /^(?!.*nodeSelector).*it can only be scheduled where its volume can be mounted: kubectl .* describe persistentvolume pv-1/,
    ],
    [
      'a volume that is chosen with the node',
      () => lookAt(pendingPod('0/1 nodes are available: 1 Insufficient cpu.'), { claims: [claim] }),
      'unscheduled',
      /^(?!.*storage class).*Insufficient cpu.*resources\.requests\.cpu=SIZE/,
    ],
    [
      'a claim that was deleted',
      () =>
        lookAt(
          pendingPod('0/1 nodes are available: persistentvolumeclaim "factory-worker-1-data" not found.'),
        ),
      'unscheduled',
      /create the claim factory-worker-1-data anew, empty: factory-worker provision worker-1 nodes:/,
    ],
    [
      'a claim of the operator’s own that was deleted',
      () => lookAt(pendingPod('0/1 nodes are available: persistentvolumeclaim "data" not found.')),
      'unscheduled',
      /create the claim data, or name another: helm upgrade .* --set persistence\.existingClaim=CLAIM nodes:/,
    ],
    [
      'a volume that is chosen with the node, of which none is free',
      () =>
        lookAt(
          pendingPod("0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind."),
          { claims: [claim] },
        ),
      'unscheduled',
      /no node has a free volume for the claim data, of class none: kubectl --context do-nyc1-factory -n factory get persistentvolumes .*Released.*claimRef/,
    ],
    [
      'a volume that is chosen with the node, and not made in time',
      () =>
        lookAt(
          pendingPod('running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'),
          {
            claims: [claim],
            warnings: [warning('data', 'ProvisioningFailed', 'quota exceeded')],
          },
        ),
      'volume-pending',
      /quota exceeded/,
    ],
    [
      'no room',
      () => lookAt(pendingPod('1 Insufficient memory')),
      'unscheduled',
      /reduce resources\.requests of the release: helm upgrade worker-1 charts\/factory-worker --kube-context do-nyc1-factory -n factory --reset-then-reuse-values --set resources\.requests\.memory=SIZE nodes:/,
    ],
    [
      'no room for something that is no request of ours',
      () => lookAt(pendingPod('1 Insufficient pods')),
      'unscheduled',
      /reduce resources\.requests of the release nodes:/,
    ],
    ['a node that is gone', () => lookAt(unknown, { node: 'gone' }), 'node-gone', /--force --grace-period=0/],
    [
      'a node that is not ready',
      () => lookAt(unknown, { node: node('Ready', 'Unknown') }),
      'node-not-ready',
      /R: M/,
    ],
    [
      'a node under pressure',
      () => lookAt(unknown, { node: node('DiskPressure', 'True') }),
      'node-pressure',
      /disk pressure/,
    ],
    [
      'an eviction for disk, of a pod that stopped in good order and reads Succeeded',
      () =>
        lookAt(podObject({ status: { phase: 'Succeeded' } }), {
          warnings: [
            warning(name, 'Evicted', 'Pod ephemeral local storage usage exceeds the total limit 1Gi.'),
            warning(name, 'Evicted', 'The node was low on resource: ephemeral-storage.'),
          ],
        }),
      'evicted-disk',
      /low on resource: ephemeral-storage\. put .*docker\.storage of the chart: helm upgrade .* --set docker\.storage\.kind=ephemeral /,
    ],
    [
      'an eviction for memory',
      () => lookAt(evicted),
      'evicted-memory',
      /low on resource: memory[\s\S]* evicted first: helm upgrade .* --set resources\.requests\.memory=512Mi .* a node pool/,
    ],
    [
      'a kill for memory',
      () =>
        lookAt(
          podObject({
            status: {
              ...running(),
              containerStatuses: [
                {
                  name: 'worker',
                  restartCount: 2,
                  state: { waiting: { reason: 'CrashLoopBackOff' } },
                  lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } },
                },
              ],
            },
          }),
        ),
      'oom-killed',
      /OOMKilled, exit code 137, 2 restarts/,
    ],
    [
      'a clean end after something inside was killed for memory',
      () =>
        lookAt(
          podObject({
            status: {
              ...running(),
              containerStatuses: [
                {
                  name: 'worker',
                  restartCount: 1,
                  state: { waiting: {} },
                  lastState: { terminated: { reason: 'OOMKilled', exitCode: 0 } },
                },
              ],
            },
          }),
        ),
      'restarted',
      /^the container ended with 0 \(not for lack of memory\).*lastState OOMKilled, exit code 0.*killed earlier in the container/,
    ],
    [
      'a native sidecar that does not stay up, for which the worker waits',
      () => {
        const mesh = { name: 'mesh', restartCount: 3, state: { waiting: { reason: 'CrashLoopBackOff' } } };
        return lookAt(
          podObject({ status: { ...waiting('PodInitializing'), initContainerStatuses: [mesh] } }),
        );
      },
      'other-container',
      /^container mesh, .* does not run.*CrashLoopBackOff, 3 restarts/,
    ],
    [
      'exec',
      () => lookAt(podObject(), {}, 'cannot create resource "pods/exec"'),
      'exec-forbidden',
      /auth can-i create pods\/exec/,
    ],
  ])('%s', (_, found, id, text) => {
    const findings = found();
    // The first, since it explains the status that stands above it; the sign alone is not repeated.
    expect(findings.map((finding) => finding.id)).toEqual([id]);
    const [finding] = findings;
    expect([finding?.cause, ...(finding?.evidence ?? []), ...(finding?.next ?? [])].join(' ')).toMatch(text);
  });

  it('an eviction is told also when another pod has taken the place, after what is wrong now', () => {
    const warnings = [warning(`${name}-old`, 'Evicted', 'The node was low on resource: memory.')];
    expect(lookAt(podObject({ status: running() }), { warnings }).at(-1)).toMatchObject({
      id: 'evicted-memory',
      cause: `the kubelet evicted ${name}-old for memory; another pod has taken its place`,
    });
  });

  it('of a container that ended shows the last lines, one by one', () => {
    const terminated = { reason: 'Error', exitCode: 1, message: 'one\ntwo\nthree\n\nfour\n' };
    const status = {
      ...running(),
      containerStatuses: [
        { name: 'worker', restartCount: 1, state: { waiting: {} }, lastState: { terminated } },
      ],
    };
    const [finding] = lookAt(podObject({ status }));
    expect(finding).toMatchObject({ id: 'restarted' });
    expect(finding?.evidence.slice(1)).toEqual(
      ['two', 'three', 'four'].map((line) => `its last words: ${line}`),
    );
    expect(finding?.next[0]).toContain('factory-worker logs worker-1 boot --previous');
  });

  it('of a container whose end Kubernetes has forgotten, says so', () => {
    const containerStatuses = [{ name: 'worker', restartCount: 2, state: { running: {} }, lastState: {} }];
    const pod = podObject({ status: { ...running(), containerStatuses } });
    expect(lookAt(pod).find(({ id }) => id === 'restarted')).toMatchObject({
      cause: expect.stringContaining('started again'),
      evidence: [`pod ${pod.metadata.name}: 2 restarts, no last state`],
      next: [expect.stringContaining('factory-worker logs worker-1 boot --previous'), expect.anything()],
    });
  });

  it('names a sidecar that does not run, and does not take its image for the worker’s', () => {
    const pod = withSidecar({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling "m:1"' } });
    expect(lookAt(pod)).toEqual([
      expect.objectContaining({
        id: 'other-container',
        cause: 'container mesh, which is not the worker’s own, does not run',
        evidence: [`pod ${pod.metadata.name}: ImagePullBackOff: Back-off pulling "m:1"`],
        next: [expect.stringMatching(/kubectl .* logs \S+ --container=mesh$/), expect.anything()],
      }),
    ]);
  });

  it('does not take the restarts of a sidecar for the worker’s', () => {
    const lastState = { terminated: { reason: 'OOMKilled', exitCode: 137 } };
    const pod = withSidecar({ running: {} }, { restartCount: 2, lastState });
    expect(lookAt(pod).map(({ id }) => id)).toEqual(['running']);
  });

  it('says what could not be looked at', () => {
    expect(lookAt(podObject(), { unreadable: ['events is forbidden'] }).at(-1)).toMatchObject({
      id: 'not-looked-at',
      evidence: ['events is forbidden'],
    });
  });
});

it('every cause was made for real once: test/e2e/README.md says where', () => {
  const read = (path: string) => readFileSync(join(packageRoot(), path), 'utf8');
  const rules = ['pod-rules.ts', 'work-rules.ts', 'probe-rules.ts']
    .map((file) => read(`scripts/lib/health/${file}`))
    .join('\n');
  const ids = [...rules.matchAll(/ id: (?:.* \? )?['`]([a-z-]+)(?:\$\{.*)?['`](?: : '([a-z-]+)')?,\n/g)]
    .flatMap(([, id, other]) => [id, other])
    .filter((id) => id !== undefined);
  expect(ids.length).toBeGreaterThan(25);
  const table = read('test/e2e/README.md');
  expect(ids.filter((id) => !table.includes(id.endsWith('-') ? `\`${id}…\`` : `\`${id}\``))).toEqual([]);
});
