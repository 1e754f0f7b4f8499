/** The measured preflight inside a worker: the answer of scripts/remote/doctor.sh, judged. Pure. */
import { age, bytes } from '../cli/text.ts';
import { ContractError, FILES } from '../contract.ts';
import { readContract } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import { DISK_FULL, DISK_WARN, describeFull, shareUsed } from '../worker/disk.ts';
import { type Finding, found } from './finding.ts';

/** inotify limits count for root on the whole node: agents' watchers, dev servers and nested containers share them. */
export const INOTIFY = { instances: 512, watches: 65_536 } as const;
/** What `--fix` raises them to. */
export const INOTIFY_RAISED = { instances: 8_192, watches: 524_288 } as const;

/** Below this a disk with room takes no more files. */
const INODES_LOW_PERCENT = 5;

/** TLS, tokens and git all go by the clock. */
const CLOCK_SECONDS = 30;

export type Facts = ReadonlyMap<string, string>;

export function parseFacts(text: string): Facts {
  return new Map(
    text
      .split('\n')
      .filter((line) => line.includes('\t'))
      .map((line) => {
        const at = line.indexOf('\t');
        return [line.slice(0, at), line.slice(at + 1).trim()] as const;
      }),
  );
}

/** What the rules need besides the facts. */
export interface Where {
  readonly worker: string;
  /** Seconds since 1970 on the laptop, when the answer came. */
  readonly now: number;
  /** How the operator types a command. */
  readonly command: (name: string, ...args: string[]) => string;
  /** How the operator changes a value of the release; null for a local worker. */
  readonly setValue: ((assignment: string) => string) | null;
}

/** A fact that is a number; NaN where the worker does not tell it, or tells something else. */
function numberOf(facts: Facts, key: string): number {
  const text = facts.get(key) ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

type Rule = (facts: Facts, where: Where) => Finding | Finding[];

export function judge(frame: Frame, where: Where): Finding[] {
  const facts = parseFacts(frame.parts.get('facts')?.text ?? '');
  const docker = facts.get('docker.wanted') === 'yes' ? DOCKER_RULES : [dockerOff];
  return [
    clock(Number(frame.parts.get('clock')?.text), where),
    ...bootPhases(frame.parts.get('boot')?.text, where),
    ...[...RULES, ...docker].flatMap((rule) => rule(facts, where)),
  ];
}

function clock(workerNow: number, { now, worker }: Where): Finding {
  const off = Math.round(Math.abs(workerNow - now));
  if (!Number.isFinite(off)) return found('clock', 'unknown', `${worker} does not tell its time`);
  return off > CLOCK_SECONDS
    ? found('clock', 'warn', `the clocks of ${worker} and of this machine are ${age(off)} apart`, [
        'set the one that is wrong: timedatectl',
      ])
    : found('clock', 'ok', `${off}s from this machine's`);
}

/** What the supervisor found at its start, the credentials' worth among it. */
function bootPhases(text: string | undefined, { worker, command }: Where): Finding[] {
  if (text === undefined)
    return [found('boot', 'unknown', 'the worker has not begun to start', [command('status', worker)])];
  try {
    const { phases } = readContract('boot', FILES.boot, text);
    const wrong = phases.filter(({ status }) => status === 'failed' || status === 'missing');
    if (wrong.length === 0) {
      const running = phases.filter(({ status }) => status === 'running').map(({ name }) => name);
      return [
        found(
          'boot',
          'ok',
          running.length === 0 ? 'every phase ended well' : `still at ${running.join(', ')}`,
        ),
      ];
    }
    return wrong.map(({ name, status, message }) =>
      found(
        `boot-${name}`,
        'fail',
        `${status}: ${message}`,
        name === 'credentials' ? [command('rotate', worker)] : [],
      ),
    );
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return [found('boot', 'unknown', error.message)];
  }
}

const RULES: readonly Rule[] = [
  function programs(facts, { command }) {
    const missing = facts.get('programs.missing') ?? '';
    return missing === ''
      ? found('programs', 'ok', 'factory, claude, gh, git, tmux, jq and sqlite3 are there')
      : found('programs', 'fail', `not on the worker's PATH: ${missing}`, [
          `build and release an image that has them: ${command('build-push-rollout')}`,
        ]);
  },
  function noexec(facts, { worker, command }) {
    const folders = facts.get('programs.noexec') ?? '';
    return folders === ''
      ? found('noexec', 'ok', 'programs run on its volumes')
      : found(
          'noexec',
          'fail',
          `no program runs in ${folders}: what a project brings to build and test itself fails there`,
          [
            'take noexec from the mountOptions of its storage class, or from the mount',
            `the mount: ${command('exec', worker, '--', 'findmnt', '--target', folders.split(' ')[0] ?? '')}`,
          ],
        );
  },
  function inotify(facts, { worker, command }) {
    const instances = numberOf(facts, 'inotify.max_user_instances');
    const watches = numberOf(facts, 'inotify.max_user_watches');
    if (Number.isNaN(instances + watches))
      return found('inotify', 'unknown', `${worker} does not tell its limits`);
    const reason = `${instances} instances, ${watches} watches`;
    if (instances >= INOTIFY.instances && watches >= INOTIFY.watches) return found('inotify', 'ok', reason);
    const low = `${reason}; watchers fail with "too many open files" below ${INOTIFY.instances} and ${INOTIFY.watches}`;
    return facts.get('inotify.writable') === 'yes'
      ? found('inotify', 'warn', low, [
          `raise them to ${INOTIFY_RAISED.instances} and ${INOTIFY_RAISED.watches} on its whole node: ${command('doctor', worker, '--fix')}`,
        ])
      : found('inotify', 'warn', low, [
          `on the node, as root: sysctl -w fs.inotify.max_user_instances=${INOTIFY_RAISED.instances} fs.inotify.max_user_watches=${INOTIFY_RAISED.watches}`,
        ]);
  },
  function disks(facts, { worker, command }) {
    return ['state', 'temporary', 'docker'].flatMap((name) => {
      const [folder = '', used, free, inodes] = (facts.get(`disk.${name}`) ?? '').split(' ');
      const disk = { mount: folder, sizeBytes: Number(used) + Number(free), freeBytes: Number(free) };
      if (folder === '' || !disk.sizeBytes || !Number.isFinite(disk.sizeBytes)) return [];
      const reason = `${describeFull(disk)}, ${bytes(disk.freeBytes)} free`;
      const id = `disk-${name}`;
      const look = command('exec', worker, '--', 'du', '--max-depth=2', '--human-readable', folder);
      if (shareUsed(disk) >= DISK_FULL)
        return [found(id, 'fail', `${reason}: no more work is taken`, [look])];
      if (shareUsed(disk) >= DISK_WARN) return [found(id, 'warn', reason, [look])];
      if (inodes !== '-' && Number(inodes) < INODES_LOW_PERCENT) {
        return [found(id, 'warn', `${reason}, but only ${inodes}% of its inodes are`, [look])];
      }
      return [found(id, 'ok', reason)];
    });
  },
];

function dockerOff(): Finding {
  return found('docker', 'off', 'this worker has no Docker');
}

const DOCKER_RULES: readonly Rule[] = [
  function daemon(facts, { worker, command }) {
    const error = facts.get('docker.error');
    if (error !== undefined) {
      return found('docker', 'fail', `the daemon does not answer: ${error}`, [
        `what it said: ${command('logs', worker, 'docker')}`,
      ]);
    }
    return found('docker', 'ok', `version ${facts.get('docker.info')?.split(' ')[0] || 'unknown'}`);
  },
  whenUp(function storageDriver(facts, { setValue }) {
    const driver = facts.get('docker.info')?.split(' ')[1] ?? '';
    const below = facts.get('docker.on') ?? '';
    const reason = `${driver} on ${below}`;
    if (driver === 'vfs' || below === 'overlayfs') {
      return found('storage-driver', 'fail', `${reason}: every layer is copied whole, or not made at all`, [
        `give Docker a volume of its own: ${setValue?.('docker.storage.kind=ephemeral') ?? ''}`,
      ]);
    }
    return found('storage-driver', 'ok', reason);
  }),
  whenUp(function cgroups(facts) {
    const version = facts.get('cgroup.version') ?? '?';
    const handed = (facts.get('cgroup.handed-down') ?? '').split(' ');
    const lacking = ['cpu', 'memory', 'pids'].filter((name) => !handed.includes(name));
    if (version === '2' && lacking.length > 0) {
      return found(
        'cgroup',
        'fail',
        `v2, but ${lacking.join(', ')} not handed down: containers have no such limits`,
        ['what the start said: see the pod log, "entrypoint:"'],
      );
    }
    const container = facts.get('run.cgroup');
    if (container === undefined) return found('cgroup', 'ok', `v${version}; not measured with a container`);
    const own = (facts.get('cgroup.own') ?? '').replace(/\/init$/, '').replace(/^\/$/, '');
    return container.startsWith(`${own}/docker/`)
      ? found('cgroup', 'ok', `v${version}; a container runs below the pod's own cgroup`)
      : found(
          'cgroup',
          'fail',
          `v${version}; a container runs in ${container}, outside the pod's cgroup ${own || '/'} and its limits`,
        );
  }),
  whenUp(function mtu(facts, { worker, setValue }) {
    const pod = numberOf(facts, 'mtu.pod');
    if (Number.isNaN(pod)) return found('mtu', 'unknown', `${worker} does not tell the MTU of its pod`);
    const measured = [
      ['docker0', facts.get('mtu.docker0')],
      ['a compose network', facts.get('mtu.compose')],
    ].filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== '');
    const reason = [`pod ${pod}`, ...measured.map(([name, value]) => `${name} ${value}`)].join(', ');
    const large = measured.filter(([, value]) => Number(value) > pod);
    return large.length === 0
      ? found('mtu', 'ok', reason)
      : found(
          'mtu',
          'fail',
          `${reason}: packets of ${large.map(([name]) => name).join(' and ')} are too large for the pod's network, so that TLS hangs`,
          [`restarts the worker: ${setValue?.(`docker.mtu=${pod}`) ?? ''}`],
        );
  }),
  whenUp(function iptables(facts) {
    const [, backend = 'unknown'] = /\((\w+)\)/.exec(facts.get('iptables.version') ?? '') ?? [];
    return facts.get('iptables.docker-rules') === 'yes'
      ? found('iptables', 'ok', `${backend}; Docker's rules are in its nat table`)
      : found(
          'iptables',
          'fail',
          `${backend}; Docker's rules are not in its nat table: published ports are not reached`,
        );
  }),
  whenUp(function container(facts, { worker, command }) {
    const error = facts.get('run.error');
    if (error !== undefined) {
      return found('docker-run', 'fail', `a container did not run: ${error}`, [
        command('logs', worker, 'docker'),
      ]);
    }
    const ms = numberOf(facts, 'run.milliseconds');
    return Number.isNaN(ms)
      ? found('docker-run', 'off', 'not tried')
      : found(
          'docker-run',
          'ok',
          `a container ran in a network of its own, ${(ms / 1000).toFixed(1)}s with making both`,
        );
  }),
];

/** A rule that says nothing while the daemon is down. */
function whenUp(rule: Rule): Rule {
  return (facts, where) => (facts.has('docker.info') ? rule(facts, where) : []);
}
