/** The checks of `doctor` inside a worker: judges the answer of scripts/remote/doctor.sh. Pure. */
import { age, bytes } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { Frame } from '../transport/frame.ts';
import type { PodFacts } from '../transport/pods.ts';
import { cloneFaults, describeClone } from '../worker/clones.ts';
import { describeFull } from '../worker/disk.ts';
import { parseSnapshot, type Snapshot } from '../worker/snapshot.ts';
import type { CommandLine } from '../worker/status.ts';
import { BOOK } from './book.ts';
import { type Check, found, type State } from './check.ts';
import { type Finding, NOT_ASKED, type Severity } from './facts.ts';
import { type Docker, parseNetworks } from './inside.ts';
import { giveItPrograms, judgeDisk } from './probe-rules.ts';
import { judge as judgeFacts } from './report.ts';

/** inotify limits apply to root on the whole node: agents' watchers, dev servers and nested containers share them. */
export const INOTIFY = { instances: 512, watches: 65_536 } as const;
/** What `--fix` raises them to. */
export const INOTIFY_RAISED = { instances: 8_192, watches: 524_288 } as const;

/** TLS, tokens and git all depend on the clock. */
const CLOCK_SECONDS = 30;

/** The measured values by key. */
export type Measured = ReadonlyMap<string, string>;

export function parseMeasured(text: string): Measured {
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

/** What the checks need in addition to the measured values. */
export interface Where {
  readonly worker: WorkerEntry;
  readonly pod: PodFacts | null;
  /** Seconds since 1970 on the laptop, when the answer came. */
  readonly now: number;
  readonly command: CommandLine;
}

/** A measured number; NaN when it is missing or not a number. */
function numberOf(facts: Measured, key: string): number {
  const text = facts.get(key) ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

type Measure = (facts: Measured, where: Where) => Check | Check[];

const STATES: Readonly<Record<Severity, State>> = { error: 'fail', warning: 'warn', info: 'ok' };

/** The findings of the rules, for the checks about the same thing; all other findings become checks of their own. */
interface Findings {
  /** A check of a measured value: `ok`, unless there is a finding with one of these ids. */
  about(id: string, measured: string, ...rules: readonly string[]): Check[];
}

export function judge(frame: Frame, where: Where): Check[] {
  const facts = parseMeasured(frame.parts.get('facts')?.text ?? '');
  const { worker, pod, command } = where;
  const snapshot = parseSnapshot(frame);
  const docker = dockerOf(facts, frame);
  const { problems } = judgeFacts(
    { ...NOT_ASKED, worker, pod, refusal: null, snapshot, docker, command },
    BOOK,
  );
  const told = new Set<Finding>();
  const findings: Findings = {
    about(id, measured, ...rules) {
      const own = problems.filter((finding) => rules.includes(finding.id));
      for (const finding of own) told.add(finding);
      return own.length === 0
        ? [found(id, 'ok', measured)]
        : own.map(({ severity, cause, next }) => found(id, STATES[severity], `${measured}: ${cause}`, next));
    },
  };
  const checks = [
    clock(Number(frame.parts.get('clock')?.text), where),
    ...bootPhases(snapshot, problems, where),
    ...mainCheckouts(snapshot, where),
    ...[...MEASURES, diskRoom].flatMap((measure) => measure(facts, where)),
    ...(docker === null ? [dockerOff()] : dockerChecks(facts, docker, findings, where)),
  ];
  const others = problems.filter(
    (finding) => finding.severity !== 'info' && !told.has(finding) && !OF_OTHER_CHECKS.test(finding.id),
  );
  return [
    ...checks,
    // About work, which may stand still in a worker that is set up well: only what doctor itself checks may fail.
    ...others.map(({ id, cause, next }) => found(id, 'warn', cause, next)),
  ];
}

/** Findings that the checks of boot, main checkouts and disks report with their own ids. */
const OF_OTHER_CHECKS = /^(?:phase-.*|probe-boot|disk-full|clone-.*)$/;

function clock(workerNow: number, { now, worker: { name: worker } }: Where): Check {
  const off = Math.round(Math.abs(workerNow - now));
  if (!Number.isFinite(off)) return found('clock', 'unknown', `${worker} does not report its time`);
  return off > CLOCK_SECONDS
    ? found('clock', 'warn', `the clocks of ${worker} and of this machine are ${age(off)} apart`, [
        'set the one that is wrong: timedatectl',
      ])
    : found('clock', 'ok', `${off}s from this machine's`);
}

/** What the supervisor found at boot, including whether the credentials work. */
function bootPhases(
  { boot, faults }: Snapshot,
  problems: readonly Finding[],
  { worker, command }: Where,
): Check[] {
  const fault = faults.find(({ part }) => part === 'boot');
  if (fault !== undefined) return [found('boot', 'unknown', fault.message)];
  if (boot === null)
    return [found('boot', 'unknown', 'the worker has not started yet', [command('status', worker.name)])];
  const wrong = problems.filter(({ id }) => id.startsWith('phase-'));
  if (wrong.length > 0) {
    return wrong.map(({ id, severity, cause, next }) =>
      found(id.replace('phase', 'boot'), STATES[severity], cause, next),
    );
  }
  const running = boot.phases.filter(({ status }) => status === 'running').map(({ name }) => name);
  return [
    found('boot', 'ok', running.length === 0 ? 'every phase ended well' : `still at ${running.join(', ')}`),
  ];
}

/** Whether the next issue would start from what the remotes have, as the loop last saw. */
function mainCheckouts(snapshot: Snapshot, { worker, command }: Where): Check[] {
  if (snapshot.heartbeat?.clones === undefined) return [];
  const faults = cloneFaults(snapshot);
  if (faults.length === 0) return [found('clones', 'ok', 'every main checkout has what its remote has')];
  return faults.map((fault) => {
    const { id, cause, next } = describeClone(fault, worker.name, command);
    const reason = fault.said === '' ? cause : `${cause}: ${fault.said}`;
    return found(id, fault.holds ? 'fail' : 'warn', reason, next);
  });
}

const MEASURES: readonly Measure[] = [
  function programs(facts, { worker, command }) {
    const missing = facts.get('programs.missing') ?? '';
    return missing === ''
      ? found('programs', 'ok', 'factory, claude, gh, git, tmux, jq and sqlite3 are on the PATH')
      : found('programs', 'fail', `not on the worker's PATH: ${missing}`, giveItPrograms(worker, command));
  },
  function noexec(facts, { worker: { name: worker }, command }) {
    const folders = facts.get('programs.noexec') ?? '';
    return folders === ''
      ? found('noexec', 'ok', 'programs run on its volumes')
      : found(
          'noexec',
          'fail',
          `no program can run in ${folders}: a project's own build and test programs fail there`,
          [
            'remove noexec from the mountOptions of its storage class, or from the mount',
            `the mount: ${command('exec', worker, '--', 'findmnt', '--target', folders.split(' ')[0] ?? '')}`,
          ],
        );
  },
  function typedValues(facts) {
    const projects = facts.get('projects.typed') ?? '';
    if (projects === '') return [];
    return found(
      'typed-values',
      'warn',
      `factory types these values of pipeline.yaml into the panes of agents, in clear: ${projects}`,
      [
        'keep secrets out of them: they stay in the recordings of sessions and in the shell’s history',
        'with database: the project’s own DATABASE_URL replaces that of factory in its panes, and stages end late',
      ],
    );
  },
  function inotify(facts, { worker: { name: worker }, command }) {
    const instances = numberOf(facts, 'inotify.max_user_instances');
    const watches = numberOf(facts, 'inotify.max_user_watches');
    if (Number.isNaN(instances + watches))
      return found('inotify', 'unknown', `${worker} does not report its limits`);
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
];

function diskRoom(facts: Measured, { worker, command }: Where): Check[] {
  return ['state', 'temporary', 'docker'].flatMap((name) => {
    const [folder = '', used, free, inodes] = (facts.get(`disk.${name}`) ?? '').split(' ');
    const disk = {
      mount: folder,
      sizeBytes: Number(used) + Number(free),
      freeBytes: Number(free),
      freeInodesPercent: inodes === undefined || inodes === '-' ? null : Number(inodes),
    };
    if (folder === '' || !disk.sizeBytes || !Number.isFinite(disk.sizeBytes)) return [];
    const verdict = judgeDisk(disk);
    const room = `${bytes(disk.freeBytes)} free`;
    if (verdict === null) return [found(`disk-${name}`, 'ok', `${describeFull(disk)}, ${room}`)];
    const { severity, cause } = verdict;
    // A full folder for temporary files does not stop the queue.
    const then = severity === 'error' && name !== 'temporary' ? ': no more work is taken' : '';
    return [
      found(`disk-${name}`, STATES[severity], `${cause}, ${room}${then}`, [
        command('exec', worker.name, '--', 'du', '--max-depth=2', '--human-readable', folder),
      ]),
    ];
  });
}

function dockerOff(): Check {
  return found('docker', 'off', 'this worker has no Docker');
}

/** Docker as the rules see it; null when it is off. */
function dockerOf(facts: Measured, frame: Frame): Docker | null {
  if (facts.get('docker.wanted') !== 'yes') return null;
  const [, driver] = (facts.get('docker.info') ?? '').split(' ');
  const measured = MEASURED_NETWORKS.map(([key, name]) => ({ name, mtu: numberOf(facts, key) }));
  return {
    driver: facts.has('docker.info') ? (driver ?? '') : null,
    below: facts.get('docker.on') || null,
    error: facts.get('docker.error') ?? '',
    podMtu: numberOf(facts, 'mtu.pod') || null,
    networks: [...measured.filter(({ mtu }) => !Number.isNaN(mtu)), ...parseNetworks(frame).networks],
  };
}

const MEASURED_NETWORKS = [
  ['mtu.docker0', 'docker0'],
  ['mtu.compose', 'a compose network'],
] as const;

function dockerChecks(facts: Measured, docker: Docker, findings: Findings, where: Where): Check[] {
  const { driver, below, error, podMtu, networks } = docker;
  if (driver === null) {
    const down = findings.about('docker', error, 'docker-down');
    // The boot has not reached Docker yet.
    return down.map((check) => (check.state === 'ok' ? { ...check, state: 'unknown' } : check));
  }
  // The other networks appear in the finding if they are too large.
  const own = networks.filter(({ name }) => MEASURED_NETWORKS.some(([, known]) => known === name));
  const measured = own.map(({ name, mtu }) => `${name} ${mtu}`);
  return [
    found('docker', 'ok', `version ${facts.get('docker.info')?.split(' ')[0] || 'unknown'}`),
    ...findings.about('storage-driver', `${driver} on ${below ?? 'an unknown file system'}`, 'docker-driver'),
    cgroups(facts),
    ...(podMtu === null
      ? [found('mtu', 'unknown', `${where.worker.name} does not report the MTU of its pod`)]
      : findings.about('mtu', [`pod ${podMtu}`, ...measured].join(', '), 'mtu')),
    iptables(facts),
    container(facts, where),
  ];
}

function cgroups(facts: Measured): Check {
  const version = facts.get('cgroup.version') ?? '?';
  const handed = (facts.get('cgroup.handed-down') ?? '').split(' ');
  const lacking = ['cpu', 'memory', 'pids'].filter((name) => !handed.includes(name));
  if (version === '2' && lacking.length > 0) {
    return found(
      'cgroup',
      'fail',
      `v2, but ${lacking.join(', ')} not delegated: containers have no such limits`,
      ['what the entrypoint said: "entrypoint:" in the pod log'],
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
}

function iptables(facts: Measured): Check {
  const [, backend = 'unknown'] = /\((\w+)\)/.exec(facts.get('iptables.version') ?? '') ?? [];
  return facts.get('iptables.docker-rules') === 'yes'
    ? found('iptables', 'ok', `${backend}; Docker's rules are in its nat table`)
    : found(
        'iptables',
        'fail',
        `${backend}; Docker's rules are not in its nat table: published ports cannot be reached`,
      );
}

function container(facts: Measured, { worker: { name: worker }, command }: Where): Check {
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
        `a container ran in its own network; creating and running took ${(ms / 1000).toFixed(1)}s`,
      );
}
