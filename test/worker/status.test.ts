import { describe, expect, it } from 'vitest';
import type { LocalWorker } from '../../scripts/lib/config/worker-entry.ts';
import { type BootPhase, ORCHESTRATOR_OFF, type Repair } from '../../scripts/lib/contract.ts';
import { assess } from '../../scripts/lib/health/report.ts';
import { podFacts } from '../../scripts/lib/transport/pods.ts';
import { commandLine, WORKER } from '../support/samples.ts';
import { deleted, NOW, pod, running } from '../transport/cluster.ts';
import {
  boot,
  CLOCK,
  heartbeat,
  heldHeartbeat,
  type Parts,
  pipelinesJson,
  queueJson,
  snapshot,
} from './samples.ts';

const local: LocalWorker = { runtime: 'local', name: 'w', home: '/w' };
const facts = (options: Parameters<typeof pod>[0] = {}) => podFacts(pod(options), undefined, NOW);

const look = (parts: Parts, given = facts()) => assess(WORKER, given, snapshot(parts), commandLine);
const phase = (name: string, status: BootPhase['status'], message = 'why'): BootPhase => ({
  name,
  status,
  startedAt: '2026-03-02T11:00:00Z',
  ms: 1,
  message,
});
const booted = (...phases: BootPhase[]) => JSON.stringify({ ...boot, phases });
const beat = (fields: Partial<typeof heartbeat>) => JSON.stringify({ ...heartbeat, ...fields });
const drain =
  '{"schema":1,"by":"lucas","host":"mbp","since":"2026-03-02T11:48:00Z","reason":"new image","release":null}';
const FREE = 'boot=free\ncheck-in=free';
const df = (free: number) =>
  `Filesystem 1-blocks Used Available Capacity Mounted on\n/dev/x 100 ${100 - free} ${free} x% /root/.factory`;
/** As a supervisor with `orchestrator.enabled: false` writes it. */
const OFF: Parts = {
  boot: booted(phase('recover', 'missing', ORCHESTRATOR_OFF), phase('orchestrator', 'off')),
  heartbeat: beat({ state: 'refused', reason: ORCHESTRATOR_OFF }),
};
/** A check-in waits for the session of a stage. */
const AT_WORK: Parts = {
  pipelines: pipelinesJson({ issue: 23 }),
  locks: 'boot=held\ncheck-in=held',
  heartbeat: beat({ state: 'checking-in', finishedAt: null }),
};
const gaveUp: Repair = {
  at: '',
  issue: 23,
  stage: 'build',
  attempt: 1,
  session: '23-build-1',
  action: 'give-up',
  cure: 'factory session kill 23-build-1\nfactory pipeline advance 23\n',
};

describe('a worker is', () => {
  it.each<[string, Parts, string, string | null, RegExp]>([
    ['running', {}, 'running', null, /^$/],
    [
      'draining while its last stage ends',
      { drain, locks: 'boot=held\ncheck-in=held', heartbeat: beat({ state: 'checking-in' }) },
      'draining',
      'drained',
      /drained by lucas@mbp for 12m: new image; the running stage ends first/,
    ],
    ['drained', { drain }, 'drained', 'drained', /drained by lucas@mbp for 12m: new image$/],
    ['drained by a file nobody can read', { drain: 'x' }, 'drained', 'drained', /drained by unknown/],
    [
      'starting',
      {
        boot: JSON.stringify({
          ...boot,
          finishedAt: null,
          phases: [phase('docker', 'running'), phase('tmux', 'ok')],
        }),
      },
      'starting',
      'booting',
      /starting: docker$/,
    ],
    ['stuck: its supervisor is gone', { locks: FREE }, 'stuck', 'loop-dead', /no supervisor runs/],
    [
      'stuck: its loop refuses',
      { heartbeat: beat({ state: 'refused', reason: 'claude is missing in the panes' }) },
      'stuck',
      'loop-refuses',
      /claude is missing/,
    ],
    [
      'degraded: claude does not accept its token',
      { heartbeat: heldHeartbeat() },
      'degraded',
      'account-held',
      /^token refused: claude does not accept its token, so no work is taken; claude is asked again at 12:05 UTC$/,
    ],
    [
      'degraded, not stuck: the blocked stage is run again by itself',
      {
        heartbeat: heldHeartbeat({ cause: 'limit', until: '2026-03-02T15:00:00Z', probeAt: null }),
        pipelines: pipelinesJson({ issue: 23, status: 'blocked' }),
      },
      'degraded',
      'account-held',
      /^limit until 15:00 UTC: /,
    ],
    [
      'stuck when another one is blocked',
      {
        heartbeat: heldHeartbeat(),
        pipelines: pipelinesJson({ issue: 23, status: 'blocked' }, { issue: 24, status: 'blocked' }),
      },
      'stuck',
      'pipeline-blocked',
      /^#24 is blocked/,
    ],
    [
      'stuck: its Docker has no room',
      {
        heartbeat: beat({
          state: 'refused',
          reason: 'the docker volume is 91 % full and no work is taken; see: docker system df',
        }),
      },
      'stuck',
      'docker-volume-full',
      /^no work is taken: the docker volume is 91 % full$/,
    ],
    [
      'drained, as it were: nobody wants check-ins',
      OFF,
      'drained',
      'switched-off',
      /is switched off in its settings/,
    ],
    [
      'stuck all the same when its supervisor is gone',
      { ...OFF, locks: FREE },
      'stuck',
      'loop-dead',
      /no supervisor runs/,
    ],
    [
      'stuck: a pipeline is blocked',
      { pipelines: pipelinesJson({ issue: 23, status: 'blocked', stage: 'qa' }) },
      'stuck',
      'pipeline-blocked',
      /#23 is blocked at stage qa/,
    ],
    [
      'stuck: set going again too often',
      { pipelines: pipelinesJson({ issue: 23 }), repairs: JSON.stringify(gaveUp) },
      'stuck',
      'repairs-given-up',
      /#23 was interrupted in stage build/,
    ],
    [
      'stuck: put back into the queue too often',
      {
        queue: JSON.stringify([{ Issue: 23, Status: 'active', Position: 1, AddedAt: '' }]),
        pipelines: 'null',
        repairs: JSON.stringify({ ...gaveUp, stage: '', attempt: 0, session: '' }),
      },
      'stuck',
      'requeues-given-up',
      /#23 was taken from the queue and not begun/,
    ],
    [
      'stuck: no queue',
      { queue: { rc: 1, text: '' }, 'queue.error': { rc: 1, text: 'Error: database is locked\nUsage:' } },
      'stuck',
      'probe-queue',
      /cannot read its queue: database is locked/,
    ],
    [
      'degraded: no Docker',
      { boot: booted(phase('docker', 'failed', 'dockerd ended: no space left')) },
      'degraded',
      'phase-docker',
      /no space left/,
    ],
    [
      'degraded: no credentials',
      { boot: booted(phase('credentials', 'missing', 'kubectl create secret …')) },
      'degraded',
      'phase-credentials',
      /kubectl create secret/,
    ],
    [
      'stuck: no queue, which is said before that there is no status either',
      { pipelines: { rc: 1, text: '' }, queue: { rc: 1, text: '' } },
      'stuck',
      'probe-queue',
      /cannot read its queue/,
    ],
    ['degraded: a full disk', { disk: df(9) }, 'degraded', 'disk-full', /91% full/],
    [
      'degraded: the agent that a check-in waits for has said nothing for long',
      { ...AT_WORK, sessions: `23-build-1\t${CLOCK - 600}\t${CLOCK - 3600}\t0\t0\t` },
      'degraded',
      'silent',
      /^the session 23-build-1 of #23 has been silent for 10m$/,
    ],
  ])('%s', (_, parts, status, id, cause) => {
    const { status: word, problems } = look(parts);
    expect(word).toBe(status);
    expect(problems[0]?.id ?? null).toBe(id);
    expect(problems[0]?.cause ?? '').toMatch(cause);
  });

  it.each<[string, Parts, string]>([
    ['a disk that fills', { disk: df(14) }, 'disk-full'],
    ['a clone that failed', { boot: booted(phase('clones', 'failed')) }, 'phase-clones'],
    ['factory’s status', { pipelines: { rc: 1, text: '' } }, 'probe-pipelines'],
    ['an unreadable boot.json', { boot: '{"schema":2}' }, 'probe-boot'],
    ['tmux without a server', { sessions: { rc: 1, text: '' } }, 'probe-sessions'],
  ])('running, with a word about %s', (_, parts, id) => {
    const { status, problems } = look(parts);
    expect([status, problems.map((problem) => problem.id)]).toEqual(['running', [id]]);
  });

  it('running while the agent says something, or waits for its account', () => {
    const quiet = (seconds: number) => ({
      sessions: `23-build-1\t${CLOCK - seconds}\t${CLOCK - 3600}\t0\t0\t`,
    });
    expect(look({ ...AT_WORK, ...quiet(599) }).problems).toEqual([]);
    const held = look({ ...AT_WORK, ...quiet(3600), heartbeat: heldHeartbeat() });
    expect(held.problems.map(({ id }) => id)).toEqual(['account-held']);
  });

  it('running, with no word about a disk that is well, or of no size', () => {
    expect(look({ disk: df(16) }).problems).toEqual([]);
    expect(look({ disk: 'Filesystem x\nnone 0 0 0 - /x' }).problems).toEqual([]);
  });

  it.each([
    ['docker', 'logs worker-1 docker'],
    ['credentials', 'rotate worker-1'],
  ])('degraded for its %s, with what to type', (name, cure) => {
    const [problem] = look({ boot: booted(phase(name, 'failed')) }).problems;
    expect(problem?.next).toEqual([expect.stringContaining(cure)]);
  });

  it('switched off without a word of trouble; how to switch it on can be typed', () => {
    expect(look(OFF).problems).toEqual([
      {
        id: 'switched-off',
        severity: 'info',
        status: 'drained',
        evidence: [],
        cause: expect.any(String),
        next: [
          'switch it on: helm upgrade worker-1 charts/factory-worker --kube-context do-nyc1-factory -n factory --reset-then-reuse-values --set orchestrator.enabled=true',
        ],
      },
    ]);
    expect(assess(local, null, snapshot(OFF), commandLine).problems[0]?.next).toEqual([
      expect.stringContaining('/w/config/settings.json'),
    ]);
  });

  it('running when it is not Ready, with a word about that', () => {
    const { status, problems } = look({}, facts({ status: running('worker', 'False') }));
    expect([status, problems.map(({ id }) => id)]).toEqual(['running', ['pod-not-ready']]);
  });

  it('draining when its pod is being deleted, whatever else holds', () => {
    const given = facts({ metadata: deleted('2026-03-02T12:20:00Z') });
    expect(look({ drain, locks: FREE }, given)).toMatchObject({
      status: 'draining',
      problems: [{ id: 'pod-stopping' }, {}, {}],
    });
  });

  it('stopped when it is local and has no supervisor; how to start it comes first', () => {
    const { status, problems } = assess(
      local,
      null,
      snapshot({ locks: FREE, drain, sessions: { rc: 1, text: '' } }),
      commandLine,
    );
    expect(status).toBe('stopped');
    expect(problems[0]).toEqual({
      id: 'stopped',
      severity: 'info',
      status: 'stopped',
      evidence: [],
      cause: 'the worker is not running; its queue waits',
      next: ['factory-worker local up w'],
    });
  });
});

describe('of several troubles', () => {
  it('the first of the STATUS order is the word, and all are told, in that order', () => {
    const everything: Parts = {
      boot: JSON.stringify({
        ...boot,
        finishedAt: null,
        phases: [phase('docker', 'failed'), phase('credentials', 'missing')],
      }),
      drain,
      locks: FREE,
      heartbeat: beat({ state: 'refused', reason: 'r' }),
      pipelines: pipelinesJson({ issue: 23, status: 'blocked' }),
      queue: { rc: 1, text: '' },
      disk: df(1),
    };
    const ids = (parts: Parts) => look(parts).problems.map(({ id }) => id);
    // A full disk is what all the others may come from.
    const order = [
      'disk-full',
      'booting',
      'drained',
      'loop-dead',
      'loop-refuses',
      'pipeline-blocked',
      'probe-queue',
      'phase-docker',
      'phase-credentials',
    ];
    expect(ids(everything)).toEqual(order);
    expect(look(everything).status).toBe('starting');
    expect(look({ ...everything, boot: booted(phase('docker', 'failed')) }).status).toBe('drained');
    const { drain: _, ...undrained } = everything;
    expect(look({ ...undrained, boot: booted(phase('docker', 'failed')) }).status).toBe('stuck');
  });

  it('what to type can be typed as it stands, and names the issue it is about', () => {
    const { problems } = look({
      queue: queueJson([23, 'active']),
      pipelines: pipelinesJson({ issue: 23, status: 'blocked' }, { issue: 24, status: 'blocked' }),
      clones: 'demo\tx\nother\ty',
      dispatches: '{"issue":23,"project":"other"}',
    });
    expect(problems.map(({ next }) => next[1])).toEqual([
      'give it up, so that the queue continues: factory-worker unstick worker-1 23 --give-up',
      'give it up, so that the queue continues: factory-worker unstick worker-1 24 --give-up',
    ]);
    expect(look({ drain }).problems[0]?.next[0]).toContain('factory-worker resume worker-1');
  });

  it('a repair that was given up counts only for the stage and attempt it was about, and only while that hangs', () => {
    const repairs = JSON.stringify(gaveUp);
    for (const given of [{ attempt: 2 }, { stage: 'qa' }, { status: 'completed' as const }]) {
      expect(look({ repairs, pipelines: pipelinesJson({ issue: 23, ...given }) }).status).toBe('running');
    }
    const again = `${repairs}\n${JSON.stringify({ ...gaveUp, action: 'advance' })}`;
    expect(look({ repairs: again, pipelines: pipelinesJson({ issue: 23 }) }).status).toBe('running');
    expect(look({ repairs, pipelines: pipelinesJson({ issue: 23 }) }).problems[0]?.next).toEqual([
      'start it again: factory-worker unstick worker-1 23',
      'which runs in the worker: factory session kill 23-build-1; factory pipeline advance 23',
    ]);
  });
});
