/**
 * Reads and changes Kubernetes objects other than pods, with kubectl.
 *
 * A change counts only once it has been seen, never because of an exit code: kubectl also exits with 0 when it asked for
 * confirmation and got none, or when a wrapper only showed what it would do. Each change that no later step of its command
 * checks is followed by {@link expectSeen}.
 */

import { CliError } from '../cli/errors.ts';
import { pause } from '../cli/pause.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { clientOf } from './connections.ts';
import { base, type Cluster, kubectl } from './kubectl.ts';
import { kubectlError, kubectlInNamespace } from './kubectl-errors.ts';
import { readAnswer } from './read-answer.ts';
import { TransportError } from './transport.ts';

export interface Metadata {
  readonly name?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The fields of an object that commands read. */
export interface KubernetesObject {
  readonly kind?: string;
  readonly metadata: Metadata;
}

export interface ClaimObject extends KubernetesObject {
  readonly spec?: {
    readonly volumeName?: string;
    readonly storageClassName?: string;
    readonly accessModes?: readonly string[];
    readonly resources?: { readonly requests?: { readonly storage?: string } };
  };
  readonly status?: { readonly phase?: string; readonly capacity?: { readonly storage?: string } };
}

/** Whether an object has the label that Helm sets on everything it creates, and requires before it adopts an object. */
export function isHelms({ labels }: Pick<Metadata, 'labels'>): boolean {
  return labels?.['app.kubernetes.io/managed-by'] === 'Helm';
}

/**
 * @param args the arguments after `kubectl get`
 * @param shape whether the answer is a list or one object
 * @throws TransportError when the cluster does not answer
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

/** The pods of a worker's namespace. @throws TransportError when the cluster does not answer */
export async function getPods<T>(cluster: Cluster, worker: ClusterWorker): Promise<readonly T[]> {
  const result = await clientOf(cluster).read(worker, { kind: 'pods' });
  if (result.code !== 0) throw kubectlError(result, worker, 'look up pods of');
  return readAnswer<{ items: T[] }>('list', worker.name, result.stdout.toString('utf8')).items;
}

/**
 * @param doing what it is for, for the error message: `look up the pod of`
 * @returns null when there is none with that name
 * @throws TransportError when the cluster does not answer
 */
export async function getOrNull<T>(
  cluster: Cluster,
  worker: ClusterWorker,
  kind: string,
  name: string,
  doing = `look up the ${kind} ${name} of`,
): Promise<T | null> {
  // A connection lets Deployments through, and few other kinds.
  const result = await (kind === 'deployment'
    ? clientOf(cluster).read(worker, { kind, name })
    : kubectl(cluster, worker, ['get', kind, name, '--output=json', '--ignore-not-found']));
  if (result.code !== 0) throw kubectlError(result, worker, doing);
  return result.stdout.length === 0
    ? null
    : readAnswer<T>('object', worker.name, result.stdout.toString('utf8'));
}

/** Runs a kubectl call that changes something. @throws TransportError when it fails */
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

export type Presence = 'missing' | 'deleting' | 'there';

/** Whether an object exists. Reads only its metadata, so that the content of a Secret does not leave the cluster. */
export async function presenceOf(
  cluster: Cluster,
  worker: ClusterWorker,
  kind: string,
  name: string,
): Promise<Presence> {
  const columns = '--output=jsonpath={.metadata.name} {.metadata.deletionTimestamp}';
  const result = await kubectl(cluster, worker, ['get', kind, name, '--ignore-not-found', columns]);
  if (result.code !== 0) throw kubectlError(result, worker, `look up the ${kind} ${name} of`);
  const text = result.stdout.toString('utf8');
  if (text === '') return 'missing';
  return text.trim() === name ? 'there' : 'deleting';
}

/** The expected effect of a change. */
export interface Effect {
  /** The message when it is missing: `the secret worker-1-secrets was not deleted`. */
  readonly failed: string;
  /** The program that reported success. */
  readonly by: 'kubectl' | 'helm';
  /** @returns null when the effect is there, otherwise what is there instead: `it is still there` */
  readonly look: () => Promise<string | null>;
  /** What to type. */
  readonly hints: readonly string[];
}

/**
 * A read of one object by name returns its newest state (kubernetes.io/docs/reference/using-api/api-concepts, "Resource
 * versions"); the second look is for a proxy in between that caches answers for a moment.
 */
const SECOND_LOOK_MS = 500;

/**
 * Checks that a change has taken effect.
 *
 * @throws CliError when it has not
 */
export async function expectSeen(
  { failed, by, look, hints }: Effect,
  { signal }: Pick<Cluster, 'signal'>,
): Promise<void> {
  if ((await look()) === null) return;
  await pause(SECOND_LOOK_MS, signal);
  const instead = await look();
  if (instead !== null)
    throw new CliError(`${failed}, although ${by} reported no error: ${instead}`, { hints });
}

/** Arguments for `kubectl` to delete an object. */
export function removeArgs(kind: string, name: string): string[] {
  return ['delete', kind, name, '--ignore-not-found', '--wait=false'];
}

/** Arguments for `kubectl` to create the object on its stdin. */
export const CREATE_ARGS = ['create', '--filename=-'] as const;

export interface NewObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/**
 * Deletes an object if it exists, and checks that it is being deleted. Does not wait for the end: a claim that is still used
 * is deleted only when its user is gone.
 *
 * @throws TransportError when the cluster refuses; CliError when it is still there and not being deleted
 */
export async function remove(
  cluster: Cluster,
  worker: ClusterWorker,
  kind: string,
  name: string,
): Promise<void> {
  await change(cluster, worker, removeArgs(kind, name));
  await expectSeen(
    {
      failed: `the ${kind} ${name} of ${worker.name} was not deleted`,
      by: 'kubectl',
      look: async () =>
        (await presenceOf(cluster, worker, kind, name)) === 'there' ? 'it is still there' : null,
      hints: [`delete it: ${kubectlInNamespace(worker, 'delete', kind, name)}`],
    },
    cluster,
  );
}

/**
 * Creates an object, and checks that it exists.
 *
 * @throws TransportError when the cluster refuses, also when the object was created meanwhile; CliError when it is missing
 */
export async function create(cluster: Cluster, worker: ClusterWorker, object: NewObject): Promise<void> {
  const { kind, metadata } = object;
  await change(cluster, worker, CREATE_ARGS, JSON.stringify(object));
  const look = async () =>
    (await presenceOf(cluster, worker, kind, metadata.name)) === 'there'
      ? null
      : 'there is none with that name';
  await expectSeen(
    {
      failed: `the ${kind} ${metadata.name} for ${worker.name} was not created`,
      by: 'kubectl',
      look: () => unlessForbidden(look),
      hints: [`what exists: ${kubectlInNamespace(worker, 'get', kind.toLowerCase())}`],
    },
    cluster,
  );
}

/** Skips a look that is forbidden: permission to create or label a namespace does not include permission to read it. */
export async function unlessForbidden(look: () => Promise<string | null>): Promise<string | null> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof TransportError && error.kind === 'forbidden') return null;
    throw error;
  }
}

/** The argv of a call, for `--dry-run`. */
export function kubectlArgv(
  cluster: Pick<Cluster, 'env'>,
  worker: ClusterWorker,
  args: readonly string[],
): string[] {
  return [...base(cluster, worker), ...args];
}
