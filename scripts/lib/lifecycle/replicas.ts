/**
 * Stops and starts a worker through its Helm release: `replicas` is a value of the chart, 0 or 1. (Not `kubectl scale`: the
 * next upgrade would bring the pod back, and Helm 4 refuses it, since another field manager owns the field.) Pure.
 */

import type { LocalWorker } from '../config/worker-entry.ts';
import { DRAINED_BY } from '../contract.ts';
import { type Change, chartDrift, chartPath, upgradeArgs } from '../helm/helm.ts';
import { takeBackHints } from '../helm/set-value.ts';
import {
  action,
  type CommandLines,
  type Plan,
  type Refusal,
  type Run,
  refuse,
  type Step,
  step,
} from '../plan.ts';
import { takenText } from '../worker/field-owners.ts';
import { resumeHint } from '../worker/status.ts';
import type { ReleaseState, WorkerState } from './look.ts';
import type { Tools } from './tools.ts';

export type StopStep = 'drain' | 'release' | 'stop-now' | 'wait';
export type StartStep = 'release' | 'wait' | 'resume' | 'health';

/** The actions of `stop`; `scaled` checks that the release has the new number. */
export type StopActions = Readonly<Record<'drain' | 'scaled' | 'stopNow' | 'wait', Run>>;
export type StartActions = Readonly<Record<'scaled' | 'wait' | 'resume' | 'health', Run>>;

export interface ReplicaRequest {
  /** Path of the chart. */
  readonly chart: string;
  /** Use the chart of this checkout even if it changes more than the replicas. */
  readonly chartUpgrade: boolean;
  /** Do not wait for the running stage. */
  readonly now: boolean;
}

/** Manifest lines that the upgrade would change besides `replicas`. */
export type Drift = readonly string[];

export function planStop(
  state: WorkerState,
  drift: Drift,
  request: ReplicaRequest,
  tools: Tools,
  act: StopActions,
): Plan<Step<StopStep>> {
  const { worker, workload, pods, inside } = state;
  const release = usableRelease(state, drift, request, tools);
  if ('kind' in release) return release;
  if (workload?.replicas === 0 && pods.length === 0) {
    return {
      kind: 'nothing',
      why: `${worker.name} is stopped already`,
      hints: [`start it: ${tools.ours('start', worker.name)}`],
    };
  }
  const steps: Step<StopStep>[] = [];
  const notes: string[] = [];
  if (workload?.replicas !== 0) {
    if (!request.now && inside.entered) {
      steps.push(drainStep(worker.name, inside.runs, tools, act.drain));
    }
    steps.push(scaleStep(release, 0, request, tools, act.scaled));
  }
  if (!inside.entered) notes.push(`it cannot be entered, so it is not drained first: ${inside.why}`);
  if (request.now && inside.entered) {
    if (inside.runs !== null) notes.push(`${inside.runs} is interrupted; it continues after the next start`);
    steps.push(stopNowStep(pods[0] ?? worker.pod, tools, act.stopNow));
  }
  const what = `until ${pods.length === 0 ? 'its pod' : pods.join(', ')} is gone`;
  const wait = tools.kubectl('wait', '--for=delete', '--timeout=30m', `pod/${pods[0] ?? worker.pod}`);
  steps.push(step('wait', '·', what, action(act.wait, wait)));
  return { kind: 'go', steps, notes };
}

/** @param runs what its check-in is doing; null when nothing runs */
export function drainStep(
  worker: string,
  runs: string | null,
  { ours }: Pick<CommandLines, 'ours'>,
  drain: Run,
): Step<'drain'> {
  const what = `no further check-in${runs === null ? '; nothing runs now' : `; waits for ${runs}`}`;
  return step('drain', '·', what, action(drain, ours('drain', worker, '--wait')));
}

/** A second SIGTERM, without which a stopping worker waits for its running stage (`shutdown.waitForStage`). */
export function stopNowStep(
  pod: string,
  { kubectl }: Pick<CommandLines, 'kubectl'>,
  stopNow: Run,
): Step<'stop-now'> {
  const what = 'the stopping worker does not wait for its running stage';
  return step('stop-now', '·', what, action(stopNow, kubectl('exec', pod, '--', 'kill', '-TERM', '1')));
}

/** @param lives whether its supervisor or any of its processes runs */
export function planStopLocal(
  worker: LocalWorker,
  lives: boolean,
  waitMs: number,
  ours: CommandLines['ours'],
  stop: Run,
): Plan<Step<'wait'>> {
  if (!lives) {
    return {
      kind: 'nothing',
      why: `${worker.name} is stopped already`,
      hints: [`start it: ${ours('start', worker.name)}`],
    };
  }
  const what = waitMs === 0 ? 'it ends at once' : 'its running stage ends first';
  const down = action(stop, localDown(worker.name, waitMs, ours));
  return { kind: 'go', steps: [step('wait', '~', what, down)], notes: [] };
}

/** @param waitMs how long the running stage may take */
export function localDown(worker: string, waitMs: number, ours: CommandLines['ours']): string {
  const wait = waitMs === 0 ? [] : ['--wait', '--wait-timeout', `${Math.round(waitMs / 1000)}s`];
  return ours('local', 'down', worker, ...wait);
}

/** @param ready whether its pod is Ready */
export function planStart(
  state: WorkerState,
  ready: boolean,
  drift: Drift,
  request: ReplicaRequest,
  tools: Tools,
  act: StartActions,
): Plan<Step<StartStep>> {
  const { worker, workload, inside } = state;
  const release = usableRelease(state, drift, request, tools);
  if ('kind' in release) return release;
  const running = workload?.replicas !== 0;
  if (running && ready && inside.entered && inside.drain?.release !== DRAINED_BY.stop) {
    const { drain } = inside;
    const held =
      drain === null
        ? []
        : [`it is drained by ${drain.by}@${drain.host}`, resumeHint(drain, worker.name, tools.ours)];
    return { kind: 'nothing', why: `${worker.name} runs already`, hints: held };
  }
  const steps: Step<StartStep>[] = [];
  if (!running) steps.push(scaleStep(release, 1, request, tools, act.scaled));
  if (!running || !ready) steps.push(readyStep(worker.pod, tools, act.wait));
  steps.push(
    step(
      'resume',
      '·',
      "lifts the stop's own drain; an operator's drain stays",
      action(act.resume, tools.ours('resume', worker.name)),
    ),
    healthStep(worker.name, tools, act.health),
  );
  return { kind: 'go', steps, notes: [] };
}

export function readyStep(
  deployment: string,
  { kubectl }: Pick<CommandLines, 'kubectl'>,
  wait: Run,
): Step<'wait'> {
  const status = kubectl('rollout', 'status', `deployment/${deployment}`);
  return step('wait', '·', 'until its pod is Ready', action(wait, status));
}

export function healthStep(
  worker: string,
  { ours }: Pick<CommandLines, 'ours'>,
  health: Run,
): Step<'health'> {
  return step('health', '·', 'shows its status', action(health, ours('status', worker)));
}

/** @param drained whether an interrupted stop has left its drain */
export function planStartLocal(
  worker: LocalWorker,
  running: boolean,
  drained: boolean,
  ours: CommandLines['ours'],
  start: Run,
): Plan<Step<'wait'>> {
  if (running && !drained) return { kind: 'nothing', why: `${worker.name} runs already` };
  const up = action(
    start,
    ...(running ? [] : [ours('local', 'up', worker.name)]),
    ...(drained ? [ours('resume', worker.name, '--force')] : []),
  );
  const what = running ? 'it takes up work again' : 'its supervisor starts';
  return { kind: 'go', steps: [step('wait', '~', what, up)], notes: [] };
}

/** The upgrade that scales a release; `helm history` shows its description. */
export function scaling(replicas: 0 | 1, chart = chartPath()): Change {
  return { chart, set: { replicas }, description: replicas === 0 ? 'stop' : 'start' };
}

function scaleStep(
  release: ReleaseState,
  replicas: 0 | 1,
  { chart }: ReplicaRequest,
  tools: Tools,
  scaled: Run,
): Step<'release'> {
  return step(
    'release',
    '~',
    `${release.name}: replicas ${1 - replicas} → ${replicas}; everything else stays`,
    tools.runHelm(upgradeArgs(release, scaling(replicas, chart))),
    action(scaled),
  );
}

/** The release, or why it cannot be upgraded. @param changes the values that are to change */
export function usableRelease(
  { worker, workload, release }: WorkerState,
  drift: Drift,
  { chartUpgrade, changes = 'replicas' }: { readonly chartUpgrade: boolean; readonly changes?: string },
  lines: CommandLines,
): ReleaseState | Refusal {
  if (workload === null) {
    return refuse(
      `${worker.name} has no Deployment ${worker.pod} in namespace ${worker.namespace} of context ${worker.context}`,
      `what exists: ${lines.kubectl('get', 'deployments,pods')}`,
      `install it: ${lines.ours('provision', worker.name)}`,
    );
  }
  if (release === null || !release.ours) {
    return refuse(
      release === null
        ? `${workload.kind} ${workload.name} does not belong to a Helm release; stop, start and resize work only on those`
        : `release ${release.name} belongs to the chart ${release.revision.chart}, not to factory-worker`,
      `without a release: ${lines.kubectl('scale', `${workload.kind.toLowerCase()}/${workload.name}`, '--replicas=0')} (or 1)`,
    );
  }
  if (release.pending) return pendingRefusal(release, lines);
  if (workload.taken.length > 0) {
    return refuse(
      `${worker.name} was changed by hand, and Helm would refuse to upgrade it: ${takenText(workload.taken)}`,
      ...takeBackHints(worker),
    );
  }
  if (drift.length > 0 && !chartUpgrade) {
    const { why, hints } = chartDrift(`would change in more than its ${changes}`, drift);
    return refuse(`${worker.name} ${why}`, ...hints);
  }
  return release;
}

/** Longer than the limit of any helm that is started here (lib/helm/helm.ts). */
const HELM_MS = 6 * 60_000;

/** Whether the first installation was interrupted, so that nothing was ever deployed, or an uninstallation was. */
export function isHalfInstalled({ revision, lastDeployed }: ReleaseState): boolean {
  if (revision.status === 'uninstalling') return true;
  return lastDeployed === null && /^(pending-install|failed)$/.test(revision.status);
}

/** Whether another helm may be running now. A killed one looks the same at first, but not for long. */
export function isAtWork(release: ReleaseState, now: Date): boolean {
  if (release.pending && !isHalfInstalled(release)) return true;
  return /^(pending-|uninstalling)/.test(release.revision.status) && isRecent(release, now);
}

/** Whether the helm that created the release's newest revision may still be running. */
export function isRecent({ revision }: ReleaseState, now: Date): boolean {
  return now.getTime() - Date.parse(revision.updated) < HELM_MS;
}

/** The refusal when another helm is running, or was killed half way: the release's state is then unknown. */
export function pendingRefusal(
  { name, revision, lastDeployed }: ReleaseState,
  lines: Pick<CommandLines, 'helm'>,
): Refusal {
  return refuse(
    `release ${name} is ${revision.status} since ${revision.updated}: another helm is running, or was killed`,
    'if it is running, wait for it',
    lastDeployed === null
      ? `if it was killed: ${lines.helm('uninstall', name)} (its volume stays)`
      : `if it was killed: ${lines.helm('rollback', name, String(lastDeployed))}`,
  );
}
