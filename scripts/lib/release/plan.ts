/**
 * The steps of a release of one worker, as a pure function of what was asked, what was seen and how far an earlier run came.
 * Nothing here has effects; run.ts does what is planned.
 */
import type { Drain } from '../contract.ts';
import { shortReference } from '../registry/reference.ts';
import type { ReleaseRecord } from './record.ts';

/**
 * - `mend` a Helm was killed in the middle: back to the last deployed revision, so that the release takes upgrades again
 * - `prepull` the new image runs its self-check on the worker's node; nothing has been touched before it ends well
 * - `drain` no further check-in; the running stage ends
 * - `backup` database and pipelines, on the volume and here
 * - `roll` the workload names the new image (`helm upgrade`, `helm rollback`, `kubectl set image`, `kubectl rollout restart`)
 * - `wait` the new pod is Ready
 * - `verify` it is the image that was pushed, and was started after the roll
 * - `restore` the database of before a migration is put back
 * - `health` boot, Docker, heartbeat, queue
 * - `resume` the release's own drain is lifted
 */
export type StepName =
  | 'mend'
  | 'prepull'
  | 'drain'
  | 'backup'
  | 'roll'
  | 'wait'
  | 'verify'
  | 'restore'
  | 'health'
  | 'resume';

/** What was asked for one worker. */
export interface Wish {
  readonly kind: ReleaseRecord['kind'];
  /** `repository@sha256:…` */
  readonly image: string;
  /** Of a rollback: the revision of Helm to go back to; null for a worker that was not installed by the chart. */
  readonly revision: number | null;
  readonly prepull: boolean;
  /** Wait for the running stage; without, it is interrupted. */
  readonly drain: boolean;
  readonly chartUpgrade: boolean;
  /** A rollback: the release whose migration it undoes; null when there was none. */
  readonly undo: ReleaseRecord | null;
}

/** What was seen of one worker. */
export interface Seen {
  readonly name: string;
  /** Null: the workload was not installed by the chart. */
  readonly helm: { readonly pending: boolean; readonly lastDeployed: number | null } | null;
  readonly specImage: string;
  readonly replicas: number;
  /** Null: there is no running pod to enter. */
  readonly pod: { readonly uid: string; readonly image: string; readonly ready: boolean } | null;
  readonly drain: Drain | null;
  /** Lines of the manifest that the roll would change, besides those that name the image. */
  readonly manifestChanges: readonly string[];
  readonly rows: { readonly count: number | null; readonly newest: number | null };
}

export type Plan =
  | { readonly kind: 'nothing'; readonly why: string }
  | { readonly kind: 'refuse'; readonly why: string; readonly hints: readonly string[] }
  | { readonly kind: 'go'; readonly steps: readonly StepName[]; readonly notes: readonly string[] };

/** @param earlier the release of this worker that has no end yet */
export function planRelease(seen: Seen, wish: Wish, earlier: ReleaseRecord | null): Plan {
  const continued = continues(earlier, wish) ? earlier : null;
  const refusal = refuse(seen, wish, earlier);
  if (refusal !== null) return refusal;
  if (earlier === null && isThere(seen, wish)) {
    return { kind: 'nothing', why: `runs ${shortReference(wish.image)} already` };
  }
  if (seen.replicas === 0) {
    return {
      kind: 'go',
      steps: [...(seen.helm?.pending ? ['mend' as const] : []), 'roll'],
      notes: ['is stopped: the image is set, and runs when the worker is started'],
    };
  }
  const rolled = continued !== null && seen.specImage === wish.image && continued.done.includes('roll');
  const done = (step: StepName) => continued?.done.includes(step) ?? false;
  // After a mend there is a pod again.
  const enterable = seen.pod !== null || seen.helm?.pending === true;
  const steps: StepName[] = [];
  const notes: string[] = [];
  // A rollback of ours that was cut short is not mended by one more: the roll sets it right.
  if (seen.helm?.pending) steps.push('mend');
  if (wish.prepull && wish.kind !== 'restart' && !done('prepull') && !rolled) steps.push('prepull');
  if (!rolled && enterable) {
    if (wish.drain) steps.push('drain');
    if (!done('backup')) steps.push('backup');
  }
  if (!enterable && !rolled && !done('backup'))
    notes.push('cannot be entered: neither drained nor backed up first');
  if (!rolled || seen.helm?.pending) steps.push('roll');
  steps.push('wait', 'verify');
  if (wish.undo?.migration && wish.undo.backup !== null) steps.push('restore');
  steps.push('health', 'resume');
  if (continued !== null)
    notes.push(
      `goes on with the release of ${continued.startedAt}, which stopped at: ${continued.step ?? 'its beginning'}`,
    );
  return { kind: 'go', steps, notes };
}

/** Whether an unfinished release is what is asked for again. */
export function continues(earlier: ReleaseRecord | null, wish: Pick<Wish, 'image' | 'kind'>): boolean {
  return (
    earlier !== null &&
    earlier.state === 'running' &&
    earlier.image === wish.image &&
    earlier.kind === wish.kind
  );
}

/** The pod's own spec names the image, it is Ready, and nothing was left half done. */
function isThere({ helm, specImage, pod, replicas }: Seen, { kind, image }: Wish): boolean {
  if (kind === 'restart' || helm?.pending || specImage !== image) return false;
  return replicas === 0 || (pod?.ready === true && pod.image === image);
}

function refuse(seen: Seen, wish: Wish, earlier: ReleaseRecord | null): (Plan & { kind: 'refuse' }) | null {
  const { drain, manifestChanges, helm } = seen;
  if (drain !== null && drain.release !== null && drain.release !== earlier?.id) {
    return {
      kind: 'refuse',
      why: `is drained by another release, of ${drain.by}@${drain.host} since ${drain.since}`,
      hints: [
        'let that one come to its end, on the machine where it was begun; if it is dead: resume WORKER --force',
      ],
    };
  }
  if (manifestChanges.length > 0 && !wish.chartUpgrade && wish.kind === 'rollout') {
    const [why, { hints }] = moreThanTheImage('', manifestChanges);
    return { kind: 'refuse', why: why.trimStart(), hints };
  }
  if (helm?.pending && helm.lastDeployed === null) {
    return {
      kind: 'refuse',
      why: 'has a release that was never deployed: its installation was cut short',
      hints: ['install it anew: helm uninstall RELEASE, then helm install; its volume is kept'],
    };
  }
  const { undo } = wish;
  if (undo?.migration && undo.backup !== null && seen.rows.count !== null) {
    if (seen.rows.count !== undo.backup.rows || seen.rows.newest !== undo.backup.newest) {
      return {
        kind: 'refuse',
        why: `cannot go back over the migration of ${undo.startedAt}: its queue has ${seen.rows.count} rows, the backup of before has ${undo.backup.rows}, and what came since would be lost`,
        hints: [
          `the backup: ${undo.backup.copy ?? undo.backup.file}`,
          'roll forward instead: build-push-rollout rollout WORKER --image …',
        ],
      };
    }
  }
  return null;
}

/**
 * What another factory in the new image means for the state.
 *
 * @returns null when it reads the state as the old one does
 */
export function migrationOf(
  old: { readonly dialect: string | null; readonly schema: number | null },
  next: { readonly dialect: string | null; readonly schema: number | null },
): string | null {
  if (old.schema !== null && next.schema !== null && old.schema !== next.schema) {
    return `its factory has schema version ${next.schema}, the worker's database has ${old.schema}`;
  }
  if (old.dialect !== null && next.dialect !== null && old.dialect !== next.dialect) {
    return `its factory speaks dialect ${next.dialect}, the worker's speaks ${old.dialect}`;
  }
  return null;
}

/** The message and the hints for a roll that would bring more than a new image. */
export function moreThanTheImage(name: string, changes: readonly string[]): [string, { hints: string[] }] {
  return [
    `${name} would get more than a new image, since the chart of this checkout is another than the release's: ${changes.length} lines differ`,
    { hints: ['upgrade the chart as well: --chart-upgrade', ...changes.slice(0, 12)] },
  ];
}

/** What a failure before, during or after the roll asks for. */
export function afterFailure(step: StepName, changed: boolean): 'lift' | 'roll-back' {
  const before: readonly StepName[] = ['mend', 'prepull', 'drain', 'backup'];
  return before.includes(step) || (step === 'roll' && !changed) ? 'lift' : 'roll-back';
}
