/** One release of one worker under way: what its steps share, the change they make, and the wait for the new pod. */
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import { shellLine } from '../cli/text.ts';
import { HelmError, rollbackArgs, upgradeArgs } from '../helm/helm.ts';
import { type Action, action, silently } from '../plan.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { change, expectSeen, kubectlArgv } from '../transport/objects.ts';
import { podFacts } from '../transport/pods.ts';
import { TransportError } from '../transport/transport.ts';
import { readPods, readWorkload } from '../worker/workload.ts';
import type { ReleaseRequest } from './plan.ts';
import { imageChange, type ReleaseContext, type Target } from './preflight.ts';
import { HOPELESS } from './prepull.ts';
import { type ReleaseRecord, type StepName, saveRecord } from './record.ts';

/** How long the parts of a release may take, in milliseconds. */
export interface Limits {
  readonly prepullMs: number;
  readonly drainMs: number;
  readonly readyMs: number;
}

export interface Options extends Limits {
  readonly allowMigration: boolean;
  /** Hears what goes on, for people. */
  readonly say: (text: string) => void;
}

export type Outcome = { readonly record: ReleaseRecord; readonly error: CliError | null };

/** One release of one worker under way. */
export interface Job {
  /** As it was before the release; looked at again after a mend, which changes it. */
  target: Target;
  readonly request: ReleaseRequest;
  readonly options: Options;
  readonly around: ReleaseContext;
  record: ReleaseRecord;
}

/** Writes down how far it is; a later run goes on from there. */
export function note(job: Job, change: Partial<ReleaseRecord>): void {
  job.record = { ...job.record, ...change };
  saveRecord(job.around.context.env, job.record);
}

export const now = ({ around }: Job) => around.context.now().toISOString();
export const nameOf = ({ target }: Job) => target.worker.name;

/** Whether the cluster did not answer: that says nothing of the release, which is gone on with once it does. */
export function isLost(error: unknown): boolean {
  if (error instanceof HelmError) return error.kind === 'unreachable';
  return error instanceof TransportError && error.unanswered;
}

/** How a worker is left by Ctrl-C, and what to type. */
export function interrupted({ around, record, target }: Job, step: StepName): InterruptedError {
  const { commandLine, signal } = around.context;
  const { name } = target.worker;
  const drained = step === 'drain' || record.done.includes('drain');
  const how =
    record.state === 'rolling-back'
      ? `while ${name} was being rolled back`
      : `at the step "${step}"${drained ? `; ${name} is drained` : ''}`;
  const undoIt = drained ? `, or take up work as it is: ${commandLine('resume', name)}` : '';
  return InterruptedError.by(
    signal,
    `interrupted ${how}. The same command again goes on from there${undoIt}`,
  );
}

/** `image` by the worker's release if it has one, else at the workload itself; `revision` of the release. */
export type Change =
  | { readonly to: 'restart' }
  | { readonly to: 'image'; readonly image: string; readonly id: string }
  | { readonly to: 'revision'; readonly revision: number };

/** @param id of the release, which its revision is described with */
export function changeFor({ kind, image, revision }: ReleaseRequest, id: string): Change {
  if (kind === 'restart') return { to: 'restart' };
  return revision === null ? { to: 'image', image, id } : { to: 'revision', revision };
}

/**
 * A change as an action. Running it throws CliError when Helm or Kubernetes refuses; the change may have been made all the
 * same.
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
  const upgrade = imageChange(wanted.image, wanted.id);
  const run = silently(() => helm.upgrade(release, upgrade));
  return action(run, shellLine(helm.command(release, upgradeArgs(release, upgrade))));
}

/**
 * Sees that a worker's workload names an image: of one that is stopped no pod shows it.
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
      hints: [
        `what it is made of: ${kubectlInNamespace(worker, 'describe', workload.kind.toLowerCase(), workload.name)}`,
      ],
    },
    cluster,
  );
}

/** What kubectl does to a worker that has no release, or to any when it is only restarted. */
function workloadArgs({ worker, workload }: Target, wanted: Change): string[] {
  const object = `${workload.kind.toLowerCase()}/${workload.name}`;
  if (wanted.to === 'restart') return ['rollout', 'restart', object];
  if (wanted.to === 'image') return ['set', 'image', object, `${workload.container}=${wanted.image}`];
  throw new RangeError(`${worker.name} has no Helm release, hence no revision ${wanted.revision}`);
}

const POLL_MS = 400;
/** A kubelet tries a failed pull again, and a container that ended once may have lost a race. */
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
  // Kubernetes' reasons go to and fro in their details; the first word is the news.
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
      if (failure !== null) text = `no pod can be made: ${failure}`;
    } else {
      text = 'the old pod is stopping';
      // Its stage may end first, for as long as its grace period allows; the new one's time begins afterwards.
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
