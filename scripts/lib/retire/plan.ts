/** What is removed of a worker, in which order, and what stays. Pure. */
import { shellLine } from '../cli/text.ts';
import type { ClusterWorker, LocalWorker } from '../config/worker-entry.ts';
import type { Inside, WorkerState } from '../lifecycle/look.ts';
import {
  drainStep,
  isAtWork,
  isRecent,
  localDown,
  pendingRefusal,
  stopNowStep,
} from '../lifecycle/replicas.ts';
import type { Tools } from '../lifecycle/tools.ts';
import {
  type Action,
  action,
  type CommandLines,
  type Plan,
  type Refusal,
  type Run,
  refuse,
  type Step,
  step,
} from '../plan.ts';

/**
 * - `drain` start no other check-in, and let the running stage end
 * - `backup` copy its state into a file here
 * - `release` run `helm uninstall`; stop a local worker
 * - `stop-now` with --now: do not wait for the running stage
 * - `wait` wait until its pod is gone
 * - `volume` keep it, or delete it with --purge
 * - `secret` the same for its tokens, if the Secret is its own
 * - `entry` remove it from workers.yaml
 */
export type RetireStep = 'drain' | 'backup' | 'release' | 'stop-now' | 'wait' | 'volume' | 'secret' | 'entry';

/** What `retire` does itself; `uninstalled` checks that the release is gone. */
export type RetireActions = Readonly<
  Record<'drain' | 'backup' | 'uninstalled' | 'stop-now' | 'wait' | 'entry', Run>
>;

/** The same for a local worker, which is stopped, and whose volume is a folder. */
export type RetireLocalActions = Readonly<Record<'backup' | 'stop' | 'folder' | 'entry', Run>>;

/** A claim or a Secret of the worker. */
export interface Belonging {
  readonly name: string;
  /** Created for this worker: by the chart, or by `provision`. What the operator named in the values is theirs. */
  readonly own: boolean;
  /** `helm uninstall` deletes it: it belongs to the release, and no policy keeps it. */
  readonly goes: boolean;
}

export interface VolumeState extends Belonging {
  readonly size: string;
  /** The PersistentVolume, when it outlives its claim (reclaim policy Retain). */
  readonly retained: string | null;
}

export interface RetireState {
  readonly now: Date;
  readonly state: WorkerState;
  readonly volume: VolumeState | null;
  readonly secret: Belonging | null;
  /** The edit of workers.yaml; null when it has no such entry. */
  readonly entry: { readonly path: string; readonly diff: string } | null;
}

export interface RetireRequest {
  readonly purge: boolean;
  /** Path of the backup; null for none. */
  readonly backup: string | null;
  /** Do not wait for running work. */
  readonly now: boolean;
}

export function planRetire(
  seen: RetireState,
  request: RetireRequest,
  tools: Tools,
  act: RetireActions,
): Plan<Step<RetireStep>> {
  const { state, volume, secret, entry } = seen;
  const { worker, workload, release, pods, inside } = state;
  const refusal = refusalOf(seen, request, tools);
  if (refusal !== null) return refusal;
  const steps: Step<RetireStep>[] = [];
  const notes: string[] = [];
  if (inside.entered && !request.now) steps.push(drainStep(worker.name, inside.runs, tools, act.drain));
  if (request.backup !== null) steps.push(backupStep(worker.name, request.backup, tools, act.backup));
  if (release !== null) {
    steps.push(
      step(
        'release',
        '-',
        `${release.name} (${release.revision.chart})`,
        tools.runHelm(['uninstall', release.name]),
        action(act.uninstalled),
        // The pod of the last `helm test` does not belong to the release.
        tools.remove('pod', `${worker.pod}-test`),
      ),
    );
  }
  if (release !== null && request.now && inside.entered) {
    steps.push(stopNowStep(pods[0] ?? worker.pod, tools, act['stop-now']));
  }
  if (pods.length > 0) {
    const waits = pods.map((pod) => tools.kubectl('wait', '--for=delete', '--timeout=30m', `pod/${pod}`));
    steps.push(step('wait', '·', `until ${pods.join(', ')} is gone`, action(act.wait, ...waits)));
  }
  if (volume !== null) steps.push(volumeStep(volume, worker, request.purge, tools));
  if (secret !== null) steps.push(secretStep(secret, request.purge, tools));
  if (entry !== null) steps.push(entryStep(worker.name, entry, tools, act.entry));
  if (!steps.some(({ mark }) => mark === '-')) {
    return {
      kind: 'nothing',
      why: `${worker.name} is already retired: no release, no pod${entry === null ? ', no entry in workers.yaml' : ''}`,
      hints: volume === null ? [] : leftovers(volume, worker, tools),
    };
  }
  if (workload !== null && !inside.entered && workload.replicas !== 0) {
    notes.push(`it cannot be entered, so it is not drained first: ${inside.why}`);
  }
  if (request.now && inside.entered && inside.runs !== null) notes.push(`${inside.runs} is interrupted`);
  notes.push(...unfinished(inside));
  return { kind: 'go', steps, notes };
}

/** Whether something is lost permanently, so that a plain yes is not enough. */
export function destroys(steps: readonly Step<RetireStep>[]): boolean {
  return steps.some(({ name, mark }) => name === 'volume' && mark === '-');
}

function refusalOf({ now, state }: RetireState, request: RetireRequest, lines: CommandLines): Refusal | null {
  const { worker, workload, release, inside } = state;
  if (workload !== null && release === null) {
    const object = `${workload.kind.toLowerCase()}/${workload.name}`;
    return refuse(
      `${object} is not a Helm release; retire only works on those`,
      `without a release: ${lines.kubectl('delete', object)}`,
      `the entry alone: ${lines.ours('workers', 'remove', worker.name)}`,
    );
  }
  if (release !== null && !release.ours) {
    return refuse(
      `release ${release.name} is of the chart ${release.revision.chart}, not of factory-worker`,
      `the entry alone: ${lines.ours('workers', 'remove', worker.name)}`,
    );
  }
  // No need to wait for a Helm that was killed: uninstalling works on what it left.
  if (release !== null && isAtWork(release, now) && isRecent(release, now))
    return pendingRefusal(release, lines);
  return refuseBackup(worker.name, inside, request, lines);
}

function refuseBackup(
  name: string,
  inside: Inside,
  { backup }: RetireRequest,
  lines: CommandLines,
): Refusal | null {
  if (backup === null || inside.entered) return null;
  return refuse(
    `${name} cannot be backed up: ${inside.why}`,
    `start it first: ${lines.ours('start', name)}`,
    'or leave out --backup: its volume stays, unless --purge is given',
  );
}

function backupStep(
  name: string,
  file: string,
  { ours }: Pick<CommandLines, 'ours'>,
  backup: Run,
): Step<'backup'> {
  const what = `queue, pipelines and records into ${file}`;
  return step('backup', '·', what, action(backup, ours('backup', name, file)));
}

function entryStep(
  name: string,
  { path, diff }: NonNullable<RetireState['entry']>,
  { ours }: Pick<CommandLines, 'ours'>,
  remove: Run,
): Step<'entry'> {
  const typed = ours('workers', 'remove', name, '--yes');
  return step('entry', '-', `${path}\n${diff.trimEnd()}`, action(remove, typed));
}

function volumeStep(
  volume: VolumeState,
  worker: ClusterWorker,
  purge: boolean,
  tools: Tools,
): Step<'volume'> {
  const { name, size, own, goes, retained } = volume;
  const lost =
    retained === null
      ? ': queue, clones and logs are lost'
      : `; its PersistentVolume ${retained} stays, with queue, clones and logs (reclaim policy Retain)`;
  const volumeIs = (mark: Step['mark'], what: string, ...actions: Action[]) =>
    step('volume', mark, `${name} (${size}) ${what}`, ...actions);
  if (goes) {
    return volumeIs('-', `is deleted with the release, since persistence.keep is false${lost}`);
  }
  if (!own) return volumeIs('=', 'is yours (persistence.existingClaim) and stays');
  if (!purge) return volumeIs('=', ['stays', ...leftovers(volume, worker, tools)].join('\n'));
  return volumeIs('-', `is deleted${lost}`, tools.remove('persistentvolumeclaim', name));
}

/** How to use or delete a volume that stays. */
export function leftovers({ name }: VolumeState, worker: ClusterWorker, lines: CommandLines): string[] {
  const { namespace, context, kubeconfig } = worker;
  const place = [
    '--namespace',
    namespace,
    '--context',
    context,
    ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
  ];
  return [
    `to use it again: ${lines.ours('provision', worker.name, ...place)}`,
    `to delete it: ${lines.kubectl('delete', 'persistentvolumeclaim', name)}`,
  ];
}

function secretStep({ name, own, goes }: Belonging, purge: boolean, tools: Tools): Step<'secret'> {
  if (goes) return step('secret', '·', `${name} is deleted with the release`);
  if (!own) return step('secret', '=', `${name} is yours (secrets.existingSecret) and stays`);
  return purge
    ? step('secret', '-', `${name} with its tokens`, tools.remove('secret', name))
    : step('secret', '=', `${name} stays; to delete it: ${tools.kubectl('delete', 'secret', name)}`);
}

function unfinished(inside: Inside): string[] {
  if (!inside.entered || inside.open.length === 0) return [];
  return [`not finished in its queue: ${inside.open.join(', ')}`];
}

/**
 * A local worker waits for its running stage itself when it is stopped, and can be backed up afterwards, so it is not drained
 * first.
 *
 * @param lives whether the worker or any of its processes runs
 * @param waitMs how long to wait for its running stage
 */
export function planRetireLocal(
  worker: LocalWorker,
  lives: boolean,
  waitMs: number,
  inside: Inside,
  entry: NonNullable<RetireState['entry']>,
  { purge, backup }: Pick<RetireRequest, 'purge' | 'backup'>,
  lines: Pick<CommandLines, 'ours'>,
  act: RetireLocalActions,
): Plan<Step<RetireStep>> {
  const { name, home } = worker;
  const remove = shellLine(['rm', '-r', home]);
  const steps: Step<RetireStep>[] = [];
  if (lives) {
    const down = action(act.stop, localDown(name, waitMs, lines.ours));
    steps.push(step('release', '-', 'its supervisor and all its processes', down));
  }
  if (backup !== null) steps.push(backupStep(name, backup, lines, act.backup));
  steps.push(
    purge
      ? step('volume', '-', `its folder ${home}: queue, clones and logs are lost`, action(act.folder, remove))
      : step('volume', '=', `its folder ${home} stays; to delete it: ${remove}`),
    entryStep(name, entry, lines, act.entry),
  );
  return { kind: 'go', steps, notes: unfinished(inside) };
}
