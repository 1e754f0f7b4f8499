/**
 * The word in the STATUS column, and what is wrong with a worker: cause and next step, worst first.
 *
 * Pure: everything it needs is in the snapshot and in what Kubernetes says of the pod.
 */
import { describeHold } from '../account.ts';
import { age } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { FILES, type Heartbeat, ORCHESTRATOR_OFF } from '../contract.ts';
import { wayOutOf } from '../drain/way-out.ts';
import { setValueCommand } from '../helm/set-value.ts';
import type { PodFacts } from '../transport/pods.ts';
import { accountHold, describeAccount, waitsForAccount } from './account.ts';
import { cloneFaults, cloneHold, describeClone, isBrief } from './clones.ts';
import { DISK_FULL, DISK_WARN, type Disk, describeFull, shareUsed } from './disk.ts';
import type { Snapshot } from './snapshot.ts';

/** Every word the column may show; the first that applies is shown. */
export type Status =
  | 'unreachable'
  | 'forbidden'
  | 'unauthorized'
  | 'missing'
  | 'stopped'
  | 'pending'
  | 'image-pull'
  | 'node-lost'
  | 'crash-looping'
  | 'starting'
  | 'draining'
  | 'drained'
  | 'stuck'
  | 'degraded'
  | 'running';

/** Something that is wrong, or that explains why nothing happens. */
export interface Problem {
  /** Stable, for programs: `drained`, `pipeline-blocked`. */
  readonly id: string;
  readonly cause: string;
  /** What to type or do; one line each. */
  readonly next: readonly string[];
}

export interface Assessment {
  readonly status: Status;
  readonly problems: readonly Problem[];
}

/** How the user types a command: `command('exec', 'worker-1', '--', …)`. */
export type CommandLine = (name: string, ...args: string[]) => string;

/**
 * Assesses a worker that could be entered.
 *
 * @param pod null for a local worker
 */
export function assess(
  worker: WorkerEntry,
  pod: PodFacts | null,
  snapshot: Snapshot,
  command: CommandLine,
): Assessment {
  const found = RULES.flatMap((rule) => rule({ worker, pod, snapshot, command }));
  const first = found.find(({ status }) => status !== null);
  return {
    status: first?.status ?? 'running',
    problems: found.map(({ id, cause, next }) => ({ id, cause, next })),
  };
}

interface Case {
  readonly worker: WorkerEntry;
  readonly pod: PodFacts | null;
  readonly snapshot: Snapshot;
  readonly command: CommandLine;
}

/** A problem and the status it causes; null when it is worth saying but changes no status. */
interface Finding extends Problem {
  readonly status: Status | null;
}

type Rule = (given: Case) => Finding[];

/** In the order of the STATUS column: the first finding with a status decides. */
const RULES: readonly Rule[] = [
  function supervisorGone({ worker, snapshot, command }) {
    if (snapshot.locks.boot || worker.runtime !== 'local') return [];
    return [
      {
        status: 'stopped',
        id: 'stopped',
        cause: 'the worker is not running; its queue waits',
        next: [command('local', 'up', worker.name)],
      },
    ];
  },

  function podStops({ pod }) {
    if (pod?.state !== 'draining') return [];
    return [{ status: 'draining', id: 'pod-stopping', cause: pod.reason, next: [] }];
  },

  function booting({ snapshot: { boot } }) {
    if (boot === null || boot.finishedAt !== null) return [];
    const current = boot.phases.filter(({ status }) => status === 'running').map(({ name }) => name);
    return [
      {
        status: 'starting',
        id: 'booting',
        cause: `the worker is starting: ${current.join(', ') || 'first steps'}`,
        next: [],
      },
    ];
  },

  function drained({ worker, snapshot: { drain, locks, heartbeat, now }, command }) {
    if (drain === null) return [];
    const since = drain.since === '' ? '' : ` for ${age(now - Date.parse(drain.since) / 1000)}`;
    const busy = locks.checkIn && heartbeat?.state === 'checking-in';
    return [
      {
        status: busy ? 'draining' : 'drained',
        id: 'drained',
        cause: `drained by ${drain.by}@${drain.host}${since}: ${drain.reason || 'no reason given'}${busy ? '; the running stage ends first' : ''}`,
        next: [wayOutOf(drain, worker.name, command)],
      },
    ];
  },

  function switchedOff({ worker, snapshot: { heartbeat, locks } }) {
    if (heartbeat === null || !isSwitchedOff(heartbeat) || !locks.boot) return [];
    const on =
      worker.runtime === 'local'
        ? [
            `switch it on: set orchestrator.enabled to true in ${worker.home}/config/${FILES.settings}; it is read again at the next tick`,
          ]
        : [`switch it on: ${setValueCommand(worker, 'orchestrator.enabled=true')}`];
    return [
      {
        status: 'drained',
        id: 'switched-off',
        cause:
          'its orchestrator is switched off, as its settings say: it takes no work, and what is dispatched waits in the queue',
        next: on,
      },
    ];
  },

  function loopDead({ worker, snapshot: { locks }, command }) {
    if (locks.boot || locks.checkIn || worker.runtime === 'local') return [];
    return [
      {
        status: 'stuck',
        id: 'loop-dead',
        cause: 'no supervisor runs in the worker, so nothing checks in',
        next: [`what its boot said: ${command('logs', worker.name, 'boot')}`],
      },
    ];
  },

  function loopRefuses({ worker, snapshot: { heartbeat }, command }) {
    if (heartbeat?.state !== 'refused' || isSwitchedOff(heartbeat)) return [];
    // Another rule says more.
    if (heartbeat.account && heartbeat.reason === describeHold(heartbeat.account)) return [];
    if (cloneHold({ heartbeat }) !== undefined) return [];
    const reason = heartbeat.reason ?? 'no reason given';
    const volumeFull = /^the docker volume is \d+ % full/.exec(reason);
    const docker = (...args: string[]) => command('exec', worker.name, '--', 'docker', ...args);
    return [
      volumeFull === null
        ? { status: 'stuck', id: 'loop-refuses', cause: `no check-in: ${reason}`, next: [] }
        : {
            status: 'stuck',
            id: 'docker-volume-full',
            cause: `no work is taken: ${volumeFull[0]}`,
            next: [
              `what fills it: ${docker('system', 'df')}`,
              `free what nothing uses: ${docker('system', 'prune')}`,
              `volumes are never removed unasked: ${docker('volume', 'ls')}`,
            ],
          },
    ];
  },

  function repairsGivenUp({ worker, snapshot: { repairs, pipelines }, command }) {
    return pipelines.flatMap((pipeline) => {
      if (pipeline.status !== 'in_progress') return [];
      const last = repairs.findLast(
        ({ issue, stage, attempt }) =>
          issue === pipeline.issue && stage === pipeline.stage && attempt === pipeline.attempt,
      );
      if (last?.action !== 'give-up') return [];
      return [
        {
          status: 'stuck' as const,
          id: 'repairs-given-up',
          cause: `#${pipeline.issue} was interrupted in stage ${pipeline.stage} more often than it is set going by itself`,
          next: [
            `set it going again: ${command('unstick', worker.name, String(pipeline.issue))}`,
            `what that types in the worker: ${last.cure.trim().replaceAll('\n', '; ')}`,
          ],
        },
      ];
    });
  },

  /** Active without a pipeline: seen for a moment whenever an issue is taken, and for ever when that was cut off. */
  function requeuesGivenUp({ worker, snapshot: { queue, repairs, pipelines }, command }) {
    return queue.flatMap(({ issue, status }) => {
      if (status !== 'active' || pipelines.some((pipeline) => pipeline.issue === issue)) return [];
      const last = repairs.findLast((repair) => repair.issue === issue && repair.stage === '');
      if (last?.action !== 'give-up') return [];
      return [
        {
          status: 'stuck' as const,
          id: 'requeues-given-up',
          cause: `#${issue} was taken from the queue and not begun, more often than it is put back by itself`,
          next: [`put it back: ${command('queue', worker.name, 'requeue', String(issue))}`],
        },
      ];
    });
  },

  function pipelineBlocked({ worker, snapshot, command }) {
    return snapshot.pipelines
      .filter((pipeline) => pipeline.status === 'blocked' && !waitsForAccount(snapshot, pipeline))
      .map(({ issue, stage }) => ({
        status: 'stuck' as const,
        id: 'pipeline-blocked',
        cause: `#${issue} is blocked at stage ${stage}, and the queue waits behind it`,
        next: [
          `try the stage again: ${command('unstick', worker.name, String(issue))}`,
          `give it up, so that the queue goes on: ${command('unstick', worker.name, String(issue), '--give-up')}`,
        ],
      }));
  },

  /** Not stuck: it goes on by itself, and nothing of its queue is lost. */
  function accountHeld({ worker, snapshot, command }) {
    const hold = accountHold(snapshot);
    if (hold === null || !snapshot.locks.boot) return [];
    return [{ status: 'degraded', ...describeAccount(hold, worker, command) }];
  },

  function mainCheckouts({ worker, snapshot, command }) {
    if (!snapshot.locks.boot) return [];
    return cloneFaults(snapshot)
      .filter((fault) => !isBrief(fault, snapshot.now))
      .map((fault) => ({
        // A remote comes back by itself.
        status: !fault.holds ? null : fault.cause === 'fetch-failed' ? 'degraded' : 'stuck',
        ...describeClone(fault, worker.name, command),
      }));
  },

  function partsFailed({ snapshot: { faults } }) {
    // Without its queue the worker is stuck; the rest is a nuisance.
    const worstFirst = faults.toSorted((a, b) => Number(b.part === 'queue') - Number(a.part === 'queue'));
    return worstFirst.map(({ part, message }) => ({
      status: part === 'queue' ? ('stuck' as const) : null,
      id: `probe-${part}`,
      cause: `${PART_FAILED[part] ?? part.replace(/-rest$/, '')}: ${message}`,
      next: [],
    }));
  },

  function phasesFailed({ worker, snapshot: { boot, heartbeat }, command }) {
    // What the loop refuses for has been said; the phase that looked ahead for it says the same.
    const said = heartbeat?.state === 'refused' ? heartbeat.reason : null;
    const wrong = (boot?.phases ?? []).filter(
      ({ status, message }) => (status === 'failed' || status === 'missing') && message !== said,
    );
    const cures: Readonly<Record<string, string>> = {
      docker: `its log: ${command('logs', worker.name, 'docker')}`,
      credentials: `give it tokens that work: ${command('rotate', worker.name)}`,
    };
    return wrong.map(({ name, status, message }) => {
      const cure = cures[name];
      return {
        status: cure === undefined ? null : ('degraded' as const),
        id: `phase-${name}`,
        cause: `${name} ${status}: ${message}`,
        next: cure === undefined ? [] : [cure],
      };
    });
  },

  function diskFull({ worker, snapshot: { disk }, command }) {
    const cause = describeFilling(disk);
    if (disk === null || cause === null) return [];
    return [
      {
        status: shareUsed(disk) < DISK_FULL ? null : ('degraded' as const),
        id: 'disk-full',
        cause,
        next: [makeRoom(worker.name, command)],
      },
    ];
  },

  function podNotReady({ pod }) {
    if (pod === null || pod.ready || pod.state === 'draining') return [];
    return [{ status: null, id: 'pod-not-ready', cause: `pod ${pod.name} is not Ready`, next: [] }];
  },
];

/** Nobody wants check-ins here: a setting, and no trouble. By the heartbeat, since older images do not keep the boot phase up to date. */
export function isSwitchedOff({ state, reason }: Heartbeat): boolean {
  return state === 'refused' && reason === ORCHESTRATOR_OFF;
}

/** What helps where the state volume is full: nothing of finished issues goes unasked. */
export function makeRoom(worker: string, command: CommandLine): string {
  return `what can go of finished issues: ${command('cleanup', worker, '--dry-run')}`;
}

/** `/root/.factory is 91% full`; null while there is room. */
export function describeFilling(disk: Disk | null): string | null {
  return disk === null || shareUsed(disk) < DISK_WARN ? null : describeFull(disk);
}

const PART_FAILED: Readonly<Record<string, string>> = {
  queue: 'factory cannot read its queue',
  pipelines: 'factory cannot tell its status',
  sessions: 'tmux does not answer',
};
