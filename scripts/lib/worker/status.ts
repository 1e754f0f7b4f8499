/**
 * The word in the STATUS column, and what is wrong with a worker: cause and next step, worst first.
 *
 * Pure: everything it needs is in the snapshot and in what Kubernetes says of the pod.
 */
import { age } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { PodFacts } from '../transport/pods.ts';
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

/** From these shares of the disk on, work is endangered and then no longer taken. */
const DISK_WARN = 0.85;
const DISK_FULL = 0.9;

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
        next: [
          `take up work again: ${command('exec', worker.name, '--', 'bash', '-c', 'rm "$WORKER_STATE_DIR/drain"')}`,
        ],
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
        next: [
          `what its boot said: ${command('exec', worker.name, '--', 'bash', '-c', 'cat "$WORKER_RUN_DIR/boot.log"')}`,
        ],
      },
    ];
  },

  function loopRefuses({ snapshot: { heartbeat } }) {
    if (heartbeat?.state !== 'refused') return [];
    return [
      {
        status: 'stuck',
        id: 'loop-refuses',
        cause: `no check-in: ${heartbeat.reason ?? 'no reason given'}`,
        next: [],
      },
    ];
  },

  function repairsGivenUp({ snapshot: { repairs, pipelines } }) {
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
          next: last.cure.split('\n').filter((line) => line !== ''),
        },
      ];
    });
  },

  function pipelineBlocked({ worker, snapshot: { pipelines, queue }, command }) {
    return pipelines
      .filter(({ status }) => status === 'blocked')
      .map(({ issue, stage }) => {
        const project = queue.find((row) => row.issue === issue)?.owner;
        const inProject = project ? ['--project', project] : [];
        const typed = (...verb: string[]) =>
          command('exec', worker.name, ...inProject, '--', 'factory', ...verb);
        return {
          status: 'stuck' as const,
          id: 'pipeline-blocked',
          cause: `#${issue} is blocked at stage ${stage}, and the queue waits behind it`,
          next: [
            `look: ${typed('pipeline', 'status', String(issue))}`,
            `try the stage again: ${typed('pipeline', 'retry', String(issue))}`,
            `give it up, so that the queue goes on: ${typed('pipeline', 'fail', String(issue))}`,
          ],
        };
      });
  },

  function partsFailed({ snapshot: { faults } }) {
    return faults.map(({ part, message }) => ({
      status: part === 'queue' ? ('stuck' as const) : null,
      id: `probe-${part}`,
      cause: PART_FAILED[part] ? `${PART_FAILED[part]}: ${message}` : `${part}: ${message}`,
      next: [],
    }));
  },

  function phasesFailed({ snapshot: { boot } }) {
    const wrong = (boot?.phases ?? []).filter(({ status }) => status === 'failed' || status === 'missing');
    return wrong.map(({ name, status, message }) => ({
      status: name === 'docker' || name === 'credentials' ? ('degraded' as const) : null,
      id: `phase-${name}`,
      cause: `${name} ${status}: ${message}`,
      next: [],
    }));
  },

  function diskFull({ snapshot: { disk } }) {
    if (disk === null || disk.sizeBytes === 0) return [];
    const used = 1 - disk.freeBytes / disk.sizeBytes;
    if (used < DISK_WARN) return [];
    return [
      {
        status: used < DISK_FULL ? null : ('degraded' as const),
        id: 'disk-full',
        cause: `${disk.mount} is ${Math.floor(used * 100)}% full`,
        next: ['finished issues leave worktrees and logs behind: nothing removes them unasked'],
      },
    ];
  },

  function podNotReady({ pod }) {
    if (pod === null || pod.ready || pod.state === 'draining') return [];
    return [{ status: null, id: 'pod-not-ready', cause: `pod ${pod.name} is not Ready`, next: [] }];
  },
];

const PART_FAILED: Readonly<Record<string, string>> = {
  queue: 'factory cannot read its queue',
  pipelines: 'factory cannot tell its status',
  sessions: 'tmux does not answer',
};
