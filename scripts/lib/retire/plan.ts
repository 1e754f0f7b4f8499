/** What is taken away of a worker, in which order, and what stays. Pure. */
import { shellLine } from '../cli/text.ts';
import type { ClusterWorker, LocalWorker } from '../config/worker-entry.ts';
import type { Inside, WorkerState } from '../lifecycle/look.ts';
import { hurryStep, isAtWork, isRecent, pendingRefusal } from '../lifecycle/replicas.ts';
import type { CommandLines, Plan, Step } from '../lifecycle/steps.ts';

/**
 * - `drain` no further check-in; the running stage ends
 * - `backup` its state into a file here
 * - `release` `helm uninstall`; a local worker is stopped
 * - `hurry` with --now: the stopping worker does not wait for its stage
 * - `wait` until its pod is gone
 * - `volume` stays, or is deleted with --purge
 * - `secret` likewise: its tokens, when they are its own
 * - `entry` out of workers.yaml
 */
export type RetireStep = 'drain' | 'backup' | 'release' | 'hurry' | 'wait' | 'volume' | 'secret' | 'entry';

/** A claim or a Secret of the worker. */
export interface Belonging {
  readonly name: string;
  /** Made for this worker alone: by the chart, or by `provision`. What an operator named in the values is theirs. */
  readonly own: boolean;
  /** `helm uninstall` takes it away: it is of the release, and nothing keeps it. */
  readonly goes: boolean;
}

export interface SeenVolume extends Belonging {
  readonly size: string;
  /** The PersistentVolume, when it outlives its claim (reclaim policy Retain). */
  readonly retained: string | null;
}

export interface Seen {
  readonly now: Date;
  readonly state: WorkerState;
  readonly volume: SeenVolume | null;
  readonly secret: Belonging | null;
  /** The change of workers.yaml; null when it has no such entry. */
  readonly entry: { readonly path: string; readonly diff: string } | null;
}

export interface Wish {
  readonly purge: boolean;
  /** Path of the backup; null for none. */
  readonly backup: string | null;
  /** Do not wait for what runs. */
  readonly now: boolean;
}

export function planRetire(seen: Seen, wish: Wish, lines: CommandLines): Plan<RetireStep> {
  const { state, volume, secret, entry } = seen;
  const { worker, workload, release, pods, inside } = state;
  const refusal = refuse(seen, wish, lines);
  if (refusal !== null) return refusal;
  const steps: Step<RetireStep>[] = [];
  const notes: string[] = [];
  if (inside.entered && !wish.now) steps.push(drainStep(worker.name, inside.runs, lines));
  if (wish.backup !== null) steps.push(backupStep(worker.name, wish.backup, lines));
  if (release !== null) {
    steps.push({
      name: 'release',
      mark: '-',
      what: `${release.name} (${release.revision.chart})`,
      commands: [
        lines.helm('uninstall', release.name),
        // The pod of the last `helm test` is of no release.
        lines.kubectl('delete', 'pod', `${worker.pod}-test`, '--ignore-not-found'),
      ],
    });
  }
  if (release !== null && wish.now && inside.entered) steps.push(hurryStep(pods[0] ?? worker.pod, lines));
  if (pods.length > 0) {
    steps.push({
      name: 'wait',
      mark: '·',
      what: `until ${pods.join(', ')} is gone`,
      commands: pods.map((pod) => lines.kubectl('wait', '--for=delete', '--timeout=30m', `pod/${pod}`)),
    });
  }
  if (volume !== null) steps.push(volumeStep(volume, worker, wish.purge, lines));
  if (secret !== null) steps.push(secretStep(secret, wish.purge, lines));
  if (entry !== null) steps.push(entryStep(worker.name, entry, lines));
  if (!steps.some(({ mark }) => mark === '-')) {
    return {
      kind: 'nothing',
      why: `${worker.name} is retired already: no release, no pod${entry === null ? ', no entry in workers.yaml' : ''}`,
      hints: volume === null ? [] : leftovers(volume, worker, lines),
    };
  }
  if (workload !== null && !inside.entered && workload.replicas !== 0) {
    notes.push(`it cannot be entered, so it is not drained first: ${inside.why}`);
  }
  if (wish.now && inside.entered && inside.runs !== null) notes.push(`${inside.runs} is interrupted`);
  notes.push(...unfinished(inside));
  return { kind: 'go', steps, notes };
}

/** Whether something is lost for good, so that a plain yes is not enough. */
export function destroys(steps: readonly Step<RetireStep>[]): boolean {
  return steps.some(({ name, mark }) => name === 'volume' && mark === '-');
}

type Refusal = Extract<Plan<never>, { kind: 'refuse' }>;

function refuse({ now, state }: Seen, wish: Wish, lines: CommandLines): Refusal | null {
  const { worker, workload, release, inside } = state;
  const no = (why: string, ...hints: string[]): Refusal => ({ kind: 'refuse', why, hints });
  if (workload !== null && release === null) {
    const object = `${workload.kind.toLowerCase()}/${workload.name}`;
    return no(
      `${object} is not of a Helm release, and only those are taken away here`,
      `without a release: ${lines.kubectl('delete', object)}`,
      `the entry alone: ${lines.ours('workers', 'remove', worker.name)}`,
    );
  }
  if (release !== null && !release.ours) {
    return no(
      `release ${release.name} is of the chart ${release.revision.chart}, not of factory-worker`,
      `the entry alone: ${lines.ours('workers', 'remove', worker.name)}`,
    );
  }
  // A Helm that was killed is nothing to wait for: uninstalling does not mind what it left.
  if (release !== null && isAtWork(release, now) && isRecent(release, now))
    return pendingRefusal(release, lines);
  return refuseBackup(worker.name, inside, wish, lines);
}

function refuseBackup(name: string, inside: Inside, { backup }: Wish, lines: CommandLines): Refusal | null {
  if (backup === null || inside.entered) return null;
  return {
    kind: 'refuse',
    why: `${name} cannot be backed up: ${inside.why}`,
    hints: [
      `start it first: ${lines.ours('start', name)}`,
      'or leave out --backup: its volume stays, unless --purge is given',
    ],
  };
}

function drainStep(name: string, runs: string | null, lines: CommandLines): Step<RetireStep> {
  return {
    name: 'drain',
    mark: '·',
    what: `no further check-in${runs === null ? '; nothing runs now' : `; waits for ${runs}`}`,
    commands: [lines.ours('drain', name, '--wait')],
  };
}

function backupStep(name: string, file: string, lines: Pick<CommandLines, 'ours'>): Step<RetireStep> {
  return {
    name: 'backup',
    mark: '·',
    what: `queue, pipelines and records into ${file}`,
    commands: [lines.ours('backup', name, file)],
  };
}

function entryStep(
  name: string,
  { path, diff }: NonNullable<Seen['entry']>,
  lines: Pick<CommandLines, 'ours'>,
): Step<RetireStep> {
  return {
    name: 'entry',
    mark: '-',
    what: `${path}\n${diff.trimEnd()}`,
    commands: [lines.ours('workers', 'remove', name, '--yes')],
  };
}

function volumeStep(
  volume: SeenVolume,
  worker: ClusterWorker,
  purge: boolean,
  lines: CommandLines,
): Step<RetireStep> {
  const { name, size, own, goes, retained } = volume;
  const stays = retained === null ? '' : `; its PersistentVolume ${retained} stays (reclaim policy Retain)`;
  const step = (mark: Step['mark'], what: string, ...commands: string[]) => ({
    name: 'volume' as const,
    mark,
    what: `${name} (${size}) ${what}`,
    commands,
  });
  if (goes) {
    return step(
      '-',
      `goes with the release, since persistence.keep is false: queue, clones and logs are lost${stays}`,
    );
  }
  if (!own) return step('=', 'is yours (persistence.existingClaim) and stays');
  if (!purge) return step('=', ['stays', ...leftovers(volume, worker, lines)].join('\n'));
  return step(
    '-',
    `is deleted: queue, clones and logs are lost${stays}`,
    lines.kubectl('delete', 'persistentvolumeclaim', name),
  );
}

/** What to do with a volume that stays. */
export function leftovers({ name }: SeenVolume, worker: ClusterWorker, lines: CommandLines): string[] {
  const { namespace, context, kubeconfig } = worker;
  const place = [
    '--namespace',
    namespace,
    '--context',
    context,
    ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
  ];
  return [
    `to take it up again: ${lines.ours('provision', worker.name, ...place)}`,
    `to delete it: ${lines.kubectl('delete', 'persistentvolumeclaim', name)}`,
  ];
}

function secretStep({ name, own, goes }: Belonging, purge: boolean, lines: CommandLines): Step<RetireStep> {
  const remove = lines.kubectl('delete', 'secret', name);
  const step = (mark: Step['mark'], what: string, ...commands: string[]) => ({
    name: 'secret' as const,
    mark,
    what: `${name} ${what}`,
    commands,
  });
  if (goes) return step('·', 'goes with the release');
  if (!own) return step('=', 'is yours (secrets.existingSecret) and stays');
  return purge ? step('-', 'with its tokens', remove) : step('=', `stays; to delete it: ${remove}`);
}

function unfinished(inside: Inside): string[] {
  if (!inside.entered || inside.open.length === 0) return [];
  return [`not finished in its queue: ${inside.open.join(', ')}`];
}

/**
 * A worker on this machine waits for its running stage itself when it is stopped, and can be backed up afterwards: there is
 * nothing to drain first.
 *
 * @param lives whether it runs, or processes of it do
 * @param waitMs how long its running stage may take
 */
export function planRetireLocal(
  worker: LocalWorker,
  lives: boolean,
  waitMs: number,
  inside: Inside,
  entry: NonNullable<Seen['entry']>,
  { purge, backup }: Pick<Wish, 'purge' | 'backup'>,
  lines: Pick<CommandLines, 'ours'>,
): Plan<RetireStep> {
  const { name, home } = worker;
  const wait = waitMs === 0 ? [] : ['--wait', `${Math.round(waitMs / 1000)}s`];
  const remove = shellLine(['rm', '-r', home]);
  const steps: Step<RetireStep>[] = [
    ...(lives ? [stopStep(lines.ours('local', 'down', name, ...wait))] : []),
    ...(backup === null ? [] : [backupStep(name, backup, lines)]),
    {
      name: 'volume',
      mark: purge ? '-' : '=',
      what: purge
        ? `its folder ${home}: queue, clones and logs are lost`
        : `its folder ${home} stays; to delete it: ${remove}`,
      commands: purge ? [remove] : [],
    },
    entryStep(name, entry, lines),
  ];
  return { kind: 'go', steps, notes: unfinished(inside) };
}

function stopStep(command: string): Step<RetireStep> {
  return { name: 'release', mark: '-', what: 'its supervisor and all its processes', commands: [command] };
}
