/** What an upgrade would change in a release's manifest, besides the image. Pure. */
import { parseAllDocuments, stringify } from 'yaml';
import { count } from '../cli/text.ts';
import type { KubernetesObject } from '../transport/objects.ts';
import type { PodObject } from '../transport/pods.ts';
import { checkAnswer } from '../transport/read-answer.ts';
import { TransportError } from '../transport/transport.ts';

/** Characters; a worker's has some ten thousand. It is parsed several times, each time a second for a million. */
const LONGEST_MANIFEST = 500_000;

/**
 * The objects of a manifest.
 *
 * @throws TransportError when it is not a manifest, or too long to be a worker's
 */
export function objectsIn(manifest: string): Partial<KubernetesObject>[] {
  if (manifest.length > LONGEST_MANIFEST)
    throw new TransportError(
      'broken',
      `its manifest has ${count(manifest.length, 'character')}; no worker has such a release`,
    );
  return parseAllDocuments(manifest)
    .map((document): unknown => (document.errors.length > 0 ? undefined : document.toJS()))
    .filter((object) => object !== null)
    .map((object) => checkAnswer<Partial<KubernetesObject>>('object', 'its manifest', object));
}

/**
 * The lines that differ between two manifests, ignoring the image. Of a Secret only its name is shown.
 *
 * @param images every form in which either of them may name the image
 * @returns lines such as `~ Deployment/factory-worker-1: - replicas: 1`; empty when only the image differs
 */
export function manifestChanges(before: string, after: string, images: readonly string[]): string[] {
  const [old, now] = [objects(before, images), objects(after, images)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names.flatMap((name) => {
    const [from, to] = [old.get(name), now.get(name)];
    if (from === to) return [];
    if (from === undefined) return [`+ ${name} is new`];
    if (to === undefined) return [`- ${name} is gone`];
    if (name.startsWith('Secret/')) return [`~ ${name} changes`];
    return differing(from.split('\n'), to.split('\n')).map((line) => `~ ${name}: ${line}`);
  });
}

/** Which image a release's Deployment or StatefulSet gives to a container, and to how many pods. */
export interface Rolled {
  readonly image: string;
  readonly replicas: number;
}

/** @returns null when there is no such container */
export function rolledBy(manifest: string, container: string): Rolled | null {
  const workload = objectsIn(manifest).find(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
  const { replicas = 1, template } = (workload as WithPod | undefined)?.spec ?? {};
  const image = template?.spec?.containers?.find(({ name }) => name === container)?.image;
  return image === undefined ? null : { image, replicas };
}

interface WithPod {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: { readonly spec?: PodObject['spec'] };
  };
}

function objects(manifest: string, images: readonly string[]): Map<string, string> {
  return new Map(
    objectsIn(manifest).map((object) => [
      `${object.kind}/${object.metadata?.name}`,
      stringify(unnamed(object, new Set(images)), { lineWidth: 0, sortMapEntries: true }),
    ]),
  );
}

/** The same object with every image name replaced by one; only whole values count. */
function unnamed(value: unknown, images: ReadonlySet<string>): unknown {
  if (typeof value === 'string') return images.has(value) ? 'IMAGE' : value;
  if (Array.isArray(value)) return value.map((item) => unnamed(item, images));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unnamed(item, images)]));
}

/** Lines that only one of the two has, counting duplicates. */
function differing(old: readonly string[], now: readonly string[]): string[] {
  const count = new Map<string, number>();
  for (const line of now) count.set(line, (count.get(line) ?? 0) + 1);
  const gone = old.filter((line) => {
    const left = count.get(line) ?? 0;
    if (left > 0) count.set(line, left - 1);
    return left === 0;
  });
  const added = [...count].flatMap(([line, times]) => Array.from({ length: times }, () => line));
  return [...gone.map((line) => `- ${line.trim()}`), ...added.map((line) => `+ ${line.trim()}`)];
}
