/**
 * Stopping and starting a worker through its release: `replicas` is a value of the chart, 0 or 1. (Not `kubectl scale`: the
 * next upgrade would give the pod back, and Helm 4 refuses it, since the field belongs to somebody else.) Pure.
 */

import type { LocalWorker } from '../config/worker-entry.ts';
import { DRAINED_BY } from '../contract.ts';
import { wayOutOf } from '../drain/way-out.ts';
import { upgradeArgs } from '../helm/helm.ts';
import type { ReleaseState, WorkerState } from './look.ts';
import type { CommandLines, Plan, Step } from './steps.ts';

export type StopStep = 'drain' | 'release' | 'hurry' | 'wait';
export type StartStep = 'release' | 'wait' | 'resume' | 'health';

export interface Wish {
  /** Path of the chart. */
  readonly chart: string;
  /** Take the chart of this checkout although it changes more than the replicas. */
  readonly chartUpgrade: boolean;
  /** Do not wait for what runs. */
  readonly now: boolean;
}

/** Lines that the upgrade would change besides `replicas`. */
export type Drift = readonly string[];

export function planStop(state: WorkerState, drift: Drift, wish: Wish, lines: CommandLines): Plan<StopStep> {
  const { worker, workload, pods, inside } = state;
  const release = usableRelease(state, drift, wish, lines);
  if ('kind' in release) return release;
  if (workload?.replicas === 0 && pods.length === 0) {
    return {
      kind: 'nothing',
      why: `${worker.name} is stopped already`,
      hints: [`start it: ${lines.ours('start', worker.name)}`],
    };
  }
  const steps: Step<StopStep>[] = [];
  const notes: string[] = [];
  if (workload?.replicas !== 0) {
    if (!wish.now && inside.entered) {
      steps.push({
        name: 'drain',
        mark: '·',
        what: `no further check-in${inside.runs === null ? '; nothing runs now' : `; waits for ${inside.runs}`}`,
        commands: [lines.ours('drain', worker.name, '--wait')],
      });
    }
    steps.push(scale(release, 0, wish, lines));
  }
  if (!inside.entered) notes.push(`it cannot be entered, so it is not drained first: ${inside.why}`);
  if (wish.now && inside.entered) {
    if (inside.runs !== null)
      notes.push(`${inside.runs} is interrupted; the next start takes it up where it was`);
    steps.push(hurryStep(pods[0] ?? worker.pod, lines));
  }
  steps.push({
    name: 'wait',
    mark: '·',
    what: `until ${pods.length === 0 ? 'its pod' : pods.join(', ')} is gone`,
    commands: [lines.kubectl('wait', '--for=delete', '--timeout=30m', `pod/${pods[0] ?? worker.pod}`)],
  });
  return { kind: 'go', steps, notes };
}

/** A second SIGTERM, without which a stopping worker waits for its running stage (`shutdown.waitForStage`). */
export function hurryStep(pod: string, lines: Pick<CommandLines, 'kubectl'>): Step<'hurry'> {
  return {
    name: 'hurry',
    mark: '·',
    what: 'the stopping worker does not wait for its running stage',
    commands: [lines.kubectl('exec', pod, '--', 'kill', '-TERM', '1')],
  };
}

/** @param lives whether its supervisor or any of its processes do */
export function planStopLocal(
  worker: LocalWorker,
  lives: boolean,
  waitMs: number,
  ours: CommandLines['ours'],
): Plan<'wait'> {
  if (!lives) {
    return {
      kind: 'nothing',
      why: `${worker.name} is stopped already`,
      hints: [`start it: ${ours('start', worker.name)}`],
    };
  }
  const wait = waitMs === 0 ? [] : ['--wait', `${Math.round(waitMs / 1000)}s`];
  return {
    kind: 'go',
    steps: [
      {
        name: 'wait',
        mark: '~',
        what: waitMs === 0 ? 'it ends at once' : 'its running stage ends first',
        commands: [ours('local', 'down', worker.name, ...wait)],
      },
    ],
    notes: [],
  };
}

/** @param ready whether its pod is Ready */
export function planStart(
  state: WorkerState,
  ready: boolean,
  drift: Drift,
  wish: Wish,
  lines: CommandLines,
): Plan<StartStep> {
  const { worker, workload, inside } = state;
  const release = usableRelease(state, drift, wish, lines);
  if ('kind' in release) return release;
  const running = workload?.replicas !== 0;
  if (running && ready && inside.entered && inside.drain?.release !== DRAINED_BY.stop) {
    const { drain } = inside;
    const held =
      drain === null
        ? []
        : [`it is drained by ${drain.by}@${drain.host}`, wayOutOf(drain, worker.name, lines.ours)];
    return { kind: 'nothing', why: `${worker.name} runs already`, hints: held };
  }
  const steps: Step<StartStep>[] = [];
  if (!running) steps.push(scale(release, 1, wish, lines));
  if (!running || !ready) {
    steps.push({
      name: 'wait',
      mark: '·',
      what: 'until its pod is Ready',
      commands: [lines.kubectl('rollout', 'status', `deployment/${worker.pod}`)],
    });
  }
  steps.push(
    {
      name: 'resume',
      mark: '·',
      what: 'lifts the drain of the stop; one by a person stays',
      commands: [lines.ours('resume', worker.name)],
    },
    { name: 'health', mark: '·', what: 'looks how it is', commands: [lines.ours('status', worker.name)] },
  );
  return { kind: 'go', steps, notes: [] };
}

export function planStartLocal(
  worker: LocalWorker,
  running: boolean,
  ours: CommandLines['ours'],
): Plan<'wait'> {
  if (running) return { kind: 'nothing', why: `${worker.name} runs already` };
  return {
    kind: 'go',
    steps: [
      {
        name: 'wait',
        mark: '~',
        what: 'its supervisor starts',
        commands: [ours('local', 'up', worker.name)],
      },
    ],
    notes: [],
  };
}

function scale(release: ReleaseState, replicas: 0 | 1, wish: Wish, lines: CommandLines) {
  const change = { chart: wish.chart, set: { replicas } };
  return {
    name: 'release' as const,
    mark: '~' as const,
    what: `${release.name}: replicas ${1 - replicas} → ${replicas}; everything else stays`,
    commands: [
      lines.helm(...upgradeArgs({ name: release.name }, { ...change, description: described(replicas) })),
    ],
  };
}

/** What `helm history` shows. */
export function described(replicas: 0 | 1): string {
  return replicas === 0 ? 'stop' : 'start';
}

type Refusal = Extract<Plan<never>, { kind: 'refuse' }>;

/** The release, or why it takes no upgrade. */
function usableRelease(
  { worker, workload, release }: WorkerState,
  drift: Drift,
  wish: Wish,
  lines: CommandLines,
): ReleaseState | Refusal {
  if (workload === null) {
    return {
      kind: 'refuse',
      why: `${worker.name} has no Deployment ${worker.pod} in namespace ${worker.namespace} of context ${worker.context}`,
      hints: [
        `what there is: ${lines.kubectl('get', 'deployments,pods')}`,
        `install it: ${lines.ours('provision', worker.name)}`,
      ],
    };
  }
  if (release === null || !release.ours) {
    return {
      kind: 'refuse',
      why:
        release === null
          ? `${workload.kind} ${workload.name} is not of a Helm release, and only those are stopped and started here`
          : `release ${release.name} is of the chart ${release.revision.chart}, not of factory-worker`,
      hints: [
        `without a release: ${lines.kubectl('scale', `${workload.kind.toLowerCase()}/${workload.name}`, '--replicas=0')} (or 1)`,
      ],
    };
  }
  if (release.pending) return pendingRefusal(release, lines);
  if (drift.length > 0 && !wish.chartUpgrade) {
    return {
      kind: 'refuse',
      why: `${worker.name} would change in more than its replicas, since the chart of this checkout is another than the release's: ${drift.length} lines differ`,
      hints: ['upgrade the chart as well: --chart-upgrade', ...drift.slice(0, 12)],
    };
  }
  return release;
}

/** Longer than any Helm that is started here may run (lib/helm/helm.ts). */
const HELM_MS = 6 * 60_000;

/** The first installation was cut short, so that nothing was ever deployed; or an uninstallation was. */
export function isHalfInstalled({ revision, lastDeployed }: ReleaseState): boolean {
  if (revision.status === 'uninstalling') return true;
  return lastDeployed === null && /^(pending-install|failed)$/.test(revision.status);
}

/** Whether another Helm may be at it just now: one that was killed half way looks the same, but only the first while. */
export function isAtWork(release: ReleaseState, now: Date): boolean {
  if (release.pending && !isHalfInstalled(release)) return true;
  return /^(pending-|uninstalling)/.test(release.revision.status) && isRecent(release, now);
}

/** Whether a Helm that began with the release's newest revision may still be running. */
export function isRecent({ revision }: ReleaseState, now: Date): boolean {
  return now.getTime() - Date.parse(revision.updated) < HELM_MS;
}

/** Another Helm is at work, or was killed in the middle: nothing may be taken for granted. */
export function pendingRefusal(
  { name, revision, lastDeployed }: ReleaseState,
  lines: Pick<CommandLines, 'helm'>,
): Refusal {
  return {
    kind: 'refuse',
    why: `release ${name} is ${revision.status} since ${revision.updated}: another Helm is at work on it, or was killed`,
    hints: [
      'if it is at work, wait for it',
      lastDeployed === null
        ? `if it was killed: ${lines.helm('uninstall', name)} (its volume stays)`
        : `if it was killed: ${lines.helm('rollback', name, String(lastDeployed))}`,
    ],
  };
}
