/** One release of one worker in progress: what its steps share, the change they make, and the wait for the new pod. */
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import type { LiveText } from '../cli/output.ts';
import { pause } from '../cli/pause.ts';
import { shellLine } from '../cli/text.ts';
import { HelmError, keepStopped, rollbackArgs, upgradeArgs } from '../helm/helm.ts';
import { type Action, action, silently } from '../plan.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { change, expectSeen, kubectlArgv } from '../transport/objects.ts';
import { podFacts } from '../transport/pods.ts';
import { TransportError } from '../transport/transport.ts';
import { readPods, readWorkload } from '../worker/workload.ts';
import type { ReleaseRequest } from './plan.ts';
import { imageChange, type ReleaseContext, type Target } from './preflight.ts';
import { HOPELESS } from './prepull.ts';
import { isBeforeImport, type ReleaseRecord, type StepName, saveRecord } from './record.ts';

/** How long the parts of a release may take, in milliseconds. */
export interface Limits {
  readonly prepullMs: number;
  readonly drainMs: number;
  readonly readyMs: number;
}

export interface Options extends Limits {
  readonly allowMigration: boolean;
  /** Called with progress messages for the operator. */
  readonly say: (text: string) => void;
  /** For progress on a terminal, while no other worker writes to it. */
  readonly live?: LiveText;
}

export type Outcome = { readonly record: ReleaseRecord; readonly error: CliError | null };

/** One release of one worker in progress. */
export interface Job {
  /** As it was before the release; read again after a repair, which changes it. */
  target: Target;
  readonly request: ReleaseRequest;
  readonly options: Options;
  readonly around: ReleaseContext;
  record: ReleaseRecord;
}

/** Records the progress; a later run continues from there. */
export function note(job: Job, change: Partial<ReleaseRecord>): void {
  job.record = { ...job.record, ...change };
  saveRecord(job.around.context.env, job.record);
}

export const now = ({ around }: Job) => around.context.now().toISOString();
export const nameOf = ({ target }: Job) => target.worker.name;

/** Whether the cluster or the worker's node did not answer: that says nothing about the release, which can go on later. */
export function isLost(error: unknown): boolean {
  if (error instanceof HelmError) return error.kind === 'unreachable';
  return error instanceof TransportError && (error.unanswered || error.kind === 'node-unreachable');
}

/** The state in which Ctrl-C leaves a worker, and what to type. */
export function interrupted({ around, record, target }: Job, step: StepName): InterruptedError {
  const { commandLine, signal } = around.context;
  const { name } = target.worker;
  const drained = step === 'drain' || record.done.includes('drain');
  const how =
    record.state === 'rolling-back'
      ? `while ${name} was being rolled back`
      : `at the step "${step}"${drained ? `; ${name} is drained` : ''}`;
  const undoIt =
    drained && !isBeforeImport(record) ? `, or take up work as it is: ${commandLine('resume', name)}` : '';
  return InterruptedError.by(
    signal,
    `interrupted ${how}. The same command again continues from there${undoIt}`,
  );
}

/** `image`: through the worker's Helm release if it has one, otherwise on the workload itself. `revision`: of the release. */
export type Change =
  | { readonly to: 'restart' }
  | { readonly to: 'image'; readonly image: string; readonly id: string }
  | { readonly to: 'revision'; readonly revision: number };

/** @param id of the release; becomes part of the revision's description */
export function changeFor({ kind, image, revision }: ReleaseRequest, id: string): Change {
  if (kind === 'restart') return { to: 'restart' };
  return revision === null ? { to: 'image', image, id } : { to: 'revision', revision };
}

/**
 * A change as an action. Running it throws CliError when Helm or Kubernetes refuses; the change may have been made anyway.
 */
export function changeAction(
  target: Target,
  wanted: Change,
  { cluster }: Pick<ReleaseContext, 'cluster'>,
): Action {
  const { helmed, worker } = target;
  if (helmed === null || wanted.to === 'restart') {
    const args = workloadArgs(target, wanted);
    const run = silently(() => change(cluster, worker, args));
    return action(run, shellLine(kubectlArgv(cluster, worker, args)));
  }
  const { helm, release } = helmed;
  if (wanted.to === 'revision') {
    const run = silently(() => helm.rollback(release, wanted.revision));
    return action(run, shellLine(helm.command(release, rollbackArgs(release, wanted.revision))));
  }
  const upgrade = keepStopped(imageChange(wanted.image, wanted.id), target.workload.replicas);
  const run = silently(() => helm.upgrade(release, upgrade));
  return action(run, shellLine(helm.command(release, upgradeArgs(release, upgrade))));
}

/**
 * Checks that a worker's workload names an image: a stopped worker has no pod that would show it.
 *
 * @throws CliError when it names another
 */
export async function expectImage(
  { worker, helmed, workload }: Target,
  image: string,
  { cluster }: Pick<ReleaseContext, 'cluster'>,
): Promise<void> {
  await expectSeen(
    {
      failed: `the image of ${worker.name} was not changed`,
      by: helmed === null ? 'kubectl' : 'helm',
      look: async () => {
        const found = (await readWorkload(cluster, worker)).image;
        return found === image ? null : `its ${workload.kind} ${workload.name} names ${found}`;
      },
      hints: [`look: ${kubectlInNamespace(worker, 'describe', workload.kind.toLowerCase(), workload.name)}`],
    },
    cluster,
  );
}

/** The kubectl arguments for a worker without a Helm release, or for any worker that is only restarted. */
function workloadArgs({ worker, workload }: Target, wanted: Change): string[] {
  const object = `${workload.kind.toLowerCase()}/${workload.name}`;
  if (wanted.to === 'restart') return ['rollout', 'restart', object];
  if (wanted.to === 'image') return ['set', 'image', object, `${workload.container}=${wanted.image}`];
  throw new RangeError(`${worker.name} has no Helm release, so it has no revision ${wanted.revision}`);
}

const POLL_MS = 400;
/** The kubelet retries a failed pull, and a container that ended once may have lost a race. */
const PULL_PATIENCE_MS = 30_000;
const RESTARTS_ALLOWED = 2;

/**
 * Waits until a pod other than the given one runs that image and is Ready.
 *
 * @throws CliError as soon as it is clear that it never will be, with Kubernetes' own reason
 */
export async function waitForPod(
  { target, options, around }: Job,
  image: string,
  otherThan: string | null,
): Promise<void> {
  const { worker, workload } = target;
  let until = Date.now() + options.readyMs;
  let failing: number | null = null;
  // The details of Kubernetes' reasons alternate; only a new first word is worth reporting.
  const say = onlyNews(options.say, (text) => /^[\s\S]*?: \S+(?= )/.exec(text)?.[0] ?? text);
  for (; ; await pause(POLL_MS, around.context.signal)) {
    const pods = await readPods(around.cluster, worker).catch((error: unknown) => {
      if (isLost(error) && Date.now() < until) return null;
      throw error;
    });
    if (pods === null) {
      say('the cluster does not answer just now');
      continue;
    }
    const pod = pods.find(
      ({ metadata, spec }) =>
        metadata.deletionTimestamp === undefined &&
        metadata.uid !== otherThan &&
        spec?.containers?.find(({ name }) => name === workload.container)?.image === image,
    );
    let text = 'no new pod yet';
    if (pod !== undefined) {
      const facts = podFacts(pod, worker.container, around.context.now());
      if (facts.ready) return;
      text = `pod ${facts.name}: ${facts.reason || 'runs, not Ready yet'}`;
      if (facts.state === 'crash-looping' || facts.restarts >= RESTARTS_ALLOWED)
        throw new CliError(`pod ${facts.name} does not stay up: ${facts.reason || 'it was restarted'}`);
      failing = facts.state === 'image-pull' ? (failing ?? Date.now()) : null;
      if (failing !== null && (HOPELESS.test(facts.reason) || Date.now() - failing > PULL_PATIENCE_MS))
        throw new CliError(`pod ${facts.name} cannot pull its image: ${facts.reason}`);
    } else if (pods.length === 0) {
      const { failure } = await readWorkload(around.cluster, worker);
      if (failure !== null) text = `no pod can be created: ${failure}`;
    } else {
      text = 'the old pod is stopping';
      // Its stage may finish first, within the grace period; the time limit of the new pod begins afterwards.
      const gone = pods
        .map(({ metadata }) => Date.parse(metadata.deletionTimestamp ?? ''))
        .find((time) => time > Date.now());
      if (gone !== undefined) until = Math.max(until, Date.now() + options.readyMs);
    }
    say(text);
    if (Date.now() > until) {
      throw new CliError(`not Ready within ${options.readyMs / 1000}s: ${text}`, {
        exitCode: ExitCode.timeout,
      });
    }
  }
}
