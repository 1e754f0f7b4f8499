/** The one change that a release makes to a worker: another image, an earlier revision, or the same once more. */
import { upgradeArgs } from '../helm/helm.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { change, expectSeen, kubectlArgv } from '../transport/objects.ts';
import { readWorkload } from '../worker/workload.ts';
import type { Wish } from './plan.ts';
import { imageChange, type Surroundings, type Target } from './preflight.ts';

/** `image` by the worker's release if it has one, else at the workload itself; `revision` of the release. */
export type Change =
  | { readonly to: 'restart' }
  | { readonly to: 'image'; readonly image: string; readonly id: string }
  | { readonly to: 'revision'; readonly revision: number };

/** @param id of the release, which its revision is described with */
export function changeFor({ kind, image, revision }: Wish, id: string): Change {
  if (kind === 'restart') return { to: 'restart' };
  return revision === null ? { to: 'image', image, id } : { to: 'revision', revision };
}

/** The command that a change comes to, for `--dry-run`; the same that {@link makeChange} runs. */
export function changeArgv(
  target: Target,
  wanted: Change,
  { cluster }: Pick<Surroundings, 'cluster'>,
): readonly string[] {
  const { helmed, worker } = target;
  if (helmed === null || wanted.to === 'restart') {
    return kubectlArgv(cluster, worker, workloadArgs(target, wanted));
  }
  const { helm, release } = helmed;
  return wanted.to === 'image'
    ? helm.command(release, upgradeArgs(release, imageChange(wanted.image, wanted.id)))
    : helm.command(release, ['rollback', release.name, String(wanted.revision)]);
}

/** @throws CliError when Helm or Kubernetes refuses; the change may have been made all the same */
export async function makeChange(
  target: Target,
  wanted: Change,
  { cluster }: Pick<Surroundings, 'cluster'>,
): Promise<void> {
  const { helmed, worker } = target;
  if (helmed === null || wanted.to === 'restart') {
    await change(cluster, worker, workloadArgs(target, wanted));
  } else if (wanted.to === 'image') {
    await helmed.helm.upgrade(helmed.release, imageChange(wanted.image, wanted.id));
  } else {
    await helmed.helm.rollback(helmed.release, wanted.revision);
  }
}

/**
 * Sees that a worker's workload names an image: of one that is stopped no pod shows it.
 *
 * @throws CliError when it names another
 */
export async function expectImage(
  { worker, helmed, workload }: Target,
  image: string,
  { cluster }: Pick<Surroundings, 'cluster'>,
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
