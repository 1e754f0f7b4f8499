/**
 * Kubernetes objects beside pods: looked up and changed, by kubectl.
 *
 * An effect is believed when it has been seen, never by an exit code: kubectl ends with 0 as well where it has asked for a yes
 * and got none, or where a wrapper in its place has only shown what it would do. Each change that no later step of its command
 * looks at is followed by {@link expectSeen}.
 */

import { CliError } from '../cli/errors.ts';
import { pause } from '../cli/pause.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
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

/** An object as far as commands read it. */
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

/** Whether an object bears the label that Helm gives to all it makes, and asks for before it takes one over. */
export function isHelms({ labels }: Pick<Metadata, 'labels'>): boolean {
  return labels?.['app.kubernetes.io/managed-by'] === 'Helm';
}

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
 * @param doing what it is for, for the error: `look up the pod of`
 * @returns null when there is none of that name
 * @throws TransportError when the cluster does not tell
 */
export async function getOrNull<T>(
  cluster: Cluster,
  worker: ClusterWorker,
  kind: string,
  name: string,
  doing = `look up the ${kind} ${name} of`,
): Promise<T | null> {
  const result = await kubectl(cluster, worker, ['get', kind, name, '--output=json', '--ignore-not-found']);
  if (result.code !== 0) throw kubectlError(result, worker, doing);
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

export type Presence = 'missing' | 'deleting' | 'there';

/** Whether there is an object of that name, by its metadata alone: what is in a Secret does not leave the cluster. */
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

/** What a change was to bring about. */
export interface Effect {
  /** What is said when it has not: `the secret worker-1-secrets was not deleted`. */
  readonly failed: string;
  /** The program that reported success. */
  readonly by: 'kubectl' | 'helm';
  /** @returns null when all is as it should be, else what is there instead: `it is still there` */
  readonly look: () => Promise<string | null>;
  /** What to type. */
  readonly hints: readonly string[];
}

/**
 * A read of one object by its name is answered with its newest state (kubernetes.io/docs/reference/using-api/api-concepts,
 * "Resource versions"); the second look is for a proxy in between that keeps answers for a moment.
 */
const SECOND_LOOK_MS = 500;

/**
 * Looks whether a change has come about.
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

/** What follows `kubectl` to delete an object. */
export function removeArgs(kind: string, name: string): string[] {
  return ['delete', kind, name, '--ignore-not-found', '--wait=false'];
}

/** What follows `kubectl` to create the object on its stdin. */
export const CREATE_ARGS = ['create', '--filename=-'] as const;

export interface NewObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/**
 * Deletes an object, where there is one, and sees that it goes. It is not waited for: a claim that something still uses goes
 * when that is gone.
 *
 * @throws TransportError when the cluster refuses; CliError when it is still there and nobody deletes it
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
 * Makes an object, and sees that it is there.
 *
 * @throws TransportError when the cluster refuses, also when somebody else made it meanwhile; CliError when it is not there
 */
export async function create(cluster: Cluster, worker: ClusterWorker, object: NewObject): Promise<void> {
  const { kind, metadata } = object;
  await change(cluster, worker, CREATE_ARGS, JSON.stringify(object));
  const look = async () =>
    (await presenceOf(cluster, worker, kind, metadata.name)) === 'there'
      ? null
      : 'there is none of that name';
  await expectSeen(
    {
      failed: `the ${kind} ${metadata.name} for ${worker.name} was not made`,
      by: 'kubectl',
      look: () => unlessForbidden(look),
      hints: [`what there is: ${kubectlInNamespace(worker, 'get', kind.toLowerCase())}`],
    },
    cluster,
  );
}

/** Who may make or label a namespace need not be allowed to look at it: then there is nothing to see. */
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
