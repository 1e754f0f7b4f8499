/** Kubernetes objects beside pods: looked up and changed, by kubectl. */
import type { ClusterWorker } from '../config/worker-entry.ts';
import { base, type Cluster, kubectl } from './kubectl.ts';
import { kubectlError } from './kubectl-errors.ts';
import { readAnswer } from './read-answer.ts';

/**
 * @param args what follows `kubectl get`
 * @param shape whether that is many objects or one
 * @throws TransportError when the cluster does not tell
 */
export async function getJson<T>(
  cluster: Cluster,
  worker: ClusterWorker,
  args: readonly string[],
  shape: 'list' | 'object' = 'list',
): Promise<T> {
  const result = await kubectl(cluster, worker, ['get', ...args, '--output=json']);
  if (result.code !== 0) throw kubectlError(result, worker, `look up ${args[0]} of`);
  return readAnswer<T>(shape, worker.name, result.stdout.toString('utf8'));
}

/**
 * @returns null when there is none of that name
 * @throws TransportError when the cluster does not tell
 */
export async function getOrNull<T>(
  cluster: Cluster,
  worker: ClusterWorker,
  kind: string,
  name: string,
): Promise<T | null> {
  const result = await kubectl(cluster, worker, ['get', kind, name, '--ignore-not-found', '--output=json']);
  if (result.code !== 0) throw kubectlError(result, worker, `look up the ${kind} ${name} of`);
  return result.stdout.length === 0
    ? null
    : readAnswer<T>('object', worker.name, result.stdout.toString('utf8'));
}

/** Runs a kubectl that changes something. @throws TransportError when it fails */
export async function change(
  cluster: Cluster,
  worker: ClusterWorker,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const result = await kubectl(cluster, worker, args, input === undefined ? {} : { input });
  if (result.code !== 0) throw kubectlError(result, worker, `${args[0]} for`);
  return result.stdout.toString('utf8');
}

/** The argv of a call, for `--dry-run`. */
export function kubectlArgv(
  cluster: Pick<Cluster, 'env'>,
  worker: ClusterWorker,
  args: readonly string[],
): string[] {
  return [...base(cluster, worker), ...args];
}
