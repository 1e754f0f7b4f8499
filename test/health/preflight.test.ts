import { describe, expect, it } from 'vitest';
import { judge, type Measured, parseMeasured, type Where } from '../../scripts/lib/health/preflight.ts';
import type { Frame } from '../../scripts/lib/transport/frame.ts';
import { commandLine, WORKER } from '../support/samples.ts';
import {
  boot as BOOT,
  CLOCK,
  heartbeat,
  type Parts,
  pipelinesJson,
  frame as probed,
  RUNNING,
} from '../worker/samples.ts';

const NOW = 1_800_000_000;
const where: Where = {
  worker: WORKER,
  pod: null,
  now: NOW,
  command: commandLine,
};

/** A worker with Docker in which nothing is wrong, as a real one answered. */
const HEALTHY = {
  'cgroup.version': '2',
  'cgroup.handed-down': 'cpuset cpu io memory pids',
  'cgroup.own': '/init',
  'inotify.max_user_instances': '8192',
  'inotify.max_user_watches': '524288',
  'programs.missing': '',
  'programs.noexec': '',
  'disk.state': '/root/.factory/worker 1000 600 90',
  'disk.temporary': '/var/cache 1000 600 90',
  'disk.docker': '/var/lib/docker 1000 600 90',
  'docker.wanted': 'yes',
  'docker.info': '26.1.5 overlay2 cgroupfs 2',
  'docker.on': 'ext2/ext3',
  'iptables.version': 'iptables v1.8.9 (nf_tables)',
  'iptables.docker-rules': 'yes',
  'mtu.pod': '1450',
  'mtu.docker0': '1450',
  'mtu.compose': '1450',
  'run.milliseconds': '812',
  'run.cgroup': '/docker/0123',
};

function frame(
  facts: Readonly<Record<string, string | undefined>>,
  clock = NOW,
  boot: object = BOOT,
  parts: Parts = {},
): Frame {
  const text = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}\t${value}\n`)
    .join('');
  return probed({ ...RUNNING, ...parts, clock: String(clock), facts: text, boot: JSON.stringify(boot) });
}

/** The findings that are not as they should be, as `id state reason`. */
const wrong = (...given: Parameters<typeof frame>) =>
  judge(frame(...given), where).filter(({ state }) => state !== 'ok');

describe('the preflight of a worker', () => {
  it('finds nothing wrong where nothing is, and measures everything', () => {
    const all = judge(frame(HEALTHY), where);
    expect(all.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect(all.map(({ id }) => id)).toEqual([
      'clock',
      'boot',
      'programs',
      'noexec',
      'inotify',
      'disk-state',
      'disk-temporary',
      'disk-docker',
      'docker',
      'storage-driver',
      'cgroup',
      'mtu',
      'iptables',
      'docker-run',
    ]);
    expect(all.find(({ id }) => id === 'mtu')?.reason).toBe('pod 1450, docker0 1450, a compose network 1450');
  });

  it.each<[string, Readonly<Record<string, string | undefined>>, string, string, RegExp]>([
    [
      'a compose network with a larger MTU than the pod',
      { 'mtu.compose': '1500' },
      'mtu',
      'fail',
      /a compose network 1500.*TLS/,
    ],
    ['docker0 with a larger one', { 'mtu.docker0': '1500' }, 'mtu', 'fail', /packets of docker0 are/],
    ['vfs', { 'docker.info': '26.1 vfs cgroupfs 2' }, 'storage-driver', 'fail', /^vfs on/],
    ['Docker on an overlay', { 'docker.on': 'overlayfs' }, 'storage-driver', 'fail', /on overlayfs/],
    [
      'controllers that are not handed down',
      { 'cgroup.handed-down': 'cpu' },
      'cgroup',
      'fail',
      /memory, pids not delegated/,
    ],
    [
      'a container outside the pod',
      { 'cgroup.own': '/kubepods/pod1/init' },
      'cgroup',
      'fail',
      /outside the pod's cgroup \/kubepods\/pod1/,
    ],
    ['rules in the other backend', { 'iptables.docker-rules': 'no' }, 'iptables', 'fail', /^nf_tables;/],
    [
      'a container that did not run',
      { 'run.error': 'no space left', 'run.milliseconds': undefined },
      'docker-run',
      'fail',
      /no space left/,
    ],
    ['few inotify instances', { 'inotify.max_user_instances': '128' }, 'inotify', 'warn', /^128 instances/],
    ['few inotify watches', { 'inotify.max_user_watches': '8192' }, 'inotify', 'warn', /8192 watches/],
    ['a disk that fills', { 'disk.docker': '/var/lib/docker 880 120 90' }, 'disk-docker', 'warn', /88% full/],
    ['a full disk', { 'disk.state': '/root/.factory/worker 910 90 90' }, 'disk-state', 'fail', /91% full/],
    [
      'no inodes',
      { 'disk.state': '/root/.factory/worker 100 900 3' },
      'disk-state',
      'warn',
      /3% of its inodes/,
    ],
    ['a missing program', { 'programs.missing': 'gh' }, 'programs', 'fail', /PATH: gh/],
    [
      'a volume mounted noexec',
      { 'programs.noexec': '/repos' },
      'noexec',
      'fail',
      /^no program can run in \/repos:/,
    ],
  ])('%s', (_, change, id, state, reason) => {
    const findings = wrong({ ...HEALTHY, ...change });
    expect(findings.map((finding) => [finding.id, finding.state])).toEqual([[id, state]]);
    expect(findings[0]?.reason).toMatch(reason);
  });

  it('of cgroup v1 goes by the pod’s own path', () => {
    const v1 = {
      ...HEALTHY,
      'cgroup.version': '1',
      'cgroup.handed-down': undefined,
      'cgroup.own': '/kubepods/pod1/c',
    };
    expect(wrong({ ...v1, 'run.cgroup': '/kubepods/pod1/c/docker/1' })).toEqual([]);
    expect(wrong({ ...v1, 'run.cgroup': '/docker/1' }).map(({ id }) => id)).toEqual(['cgroup']);
  });

  it('of a daemon that is down says only that', () => {
    const facts = Object.fromEntries(
      Object.entries(HEALTHY).filter(([key]) => !/^(mtu|run|iptables|docker\.(info|on))/.test(key)),
    );
    expect(wrong({ ...facts, 'docker.error': 'Cannot connect' })).toMatchObject([
      { id: 'docker', state: 'fail', reason: expect.stringContaining('Cannot connect') },
    ]);
  });

  it('of clocks that are apart, and of a boot in which credentials were missing', () => {
    expect(wrong(HEALTHY, NOW - 90).map(({ id, state }) => [id, state])).toEqual([['clock', 'warn']]);
    const [phase] = BOOT.phases;
    const boot = {
      ...BOOT,
      phases: [{ ...phase, name: 'credentials', status: 'missing', message: 'GH_TOKEN missing' }],
    };
    expect(wrong(HEALTHY, NOW, boot)).toMatchObject([
      {
        id: 'boot-credentials',
        state: 'fail',
        fix: ['give it tokens that work: factory-worker rotate worker-1'],
      },
    ]);
    const said = 'GitHub cannot be reached (error connecting to api.github.com); …';
    const offline = { ...boot, phases: [{ ...boot.phases[0], status: 'failed', message: said }] };
    expect(wrong(HEALTHY, NOW, offline as typeof boot)[0]?.fix).toEqual([
      'what it sees: factory-worker exec worker-1 -- gh auth status',
    ]);
  });

  it('fails for each phase of the start that failed, also where status leaves the worker running', () => {
    const phases = [{ ...BOOT.phases[0], name: 'clones', status: 'failed', message: 'no network' }];
    expect(wrong(HEALTHY, NOW, { ...BOOT, phases })).toMatchObject([
      { id: 'boot-clones', state: 'fail', reason: 'clones failed: no network' },
    ]);
  });

  it('takes btrfs for what it is: layers that share what they have in common', () => {
    const btrfs = { 'docker.info': '26.1 btrfs cgroupfs 2', 'docker.on': 'btrfs' };
    expect(wrong({ ...HEALTHY, ...btrfs })).toEqual([]);
  });

  it('sees networks of Docker that are older than the setting, as why does', () => {
    const parts = { 'docker-networks': 'pod 1450\nbridge 1450\noldstack 9000' };
    expect(wrong(HEALTHY, NOW, BOOT, parts)).toMatchObject([
      {
        id: 'mtu',
        state: 'fail',
        reason: expect.stringMatching(/a compose network 1450: packets of oldstack are too large/),
      },
    ]);
  });

  it('tells what the rules of status find in the same answer, each once', () => {
    const session = `23-build-1\t${CLOCK - 1200}\t${CLOCK - 3600}\t0\t0\t`;
    const hung: Parts = {
      sessions: session,
      pipelines: pipelinesJson({ issue: 23 }),
      locks: 'boot=held\ncheck-in=held',
      heartbeat: JSON.stringify({ ...heartbeat, state: 'checking-in', finishedAt: null }),
    };
    const look = (parts: Parts) =>
      judge(frame(HEALTHY, CLOCK, BOOT, parts), { ...where, now: CLOCK }).filter(
        ({ state }) => state !== 'ok',
      );
    expect(look(hung)).toEqual([
      {
        id: 'silent',
        state: 'warn',
        reason: 'the session 23-build-1 of #23 has been silent for 20m',
        fix: [
          expect.stringContaining('peek worker-1 --session 23-build-1'),
          expect.stringContaining('--give-up'),
        ],
      },
    ]);
    const full = { disk: 'Filesystem 1-blocks Used Available Capacity Mounted on\n/dev/x 100 95 5 95% /s' };
    expect(look({ ...full, sessions: { rc: 1, text: '' } }).map(({ id }) => id)).toEqual(['probe-sessions']);
  });

  it('reads facts whatever is in them', () => {
    const facts: Measured = parseMeasured('a\tb c\n\nnonsense\nd\t\n');
    expect([...facts]).toEqual([
      ['a', 'b c'],
      ['d', ''],
    ]);
  });
});
