/** What an upgrade would change in a release's manifest, besides the image. Pure. */
import { parseAllDocuments, stringify } from 'yaml';
import type { KubernetesObject } from '../transport/objects.ts';
import { checkAnswer } from '../transport/read-answer.ts';

/**
 * The objects of a manifest.
 *
 * @throws TransportError when it is not a manifest
 */
export function objectsIn(manifest: string): Partial<KubernetesObject>[] {
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

/** The image of the first container of a release's Deployment or StatefulSet. */
export function imageIn(manifest: string): string | null {
  const workload = objectsIn(manifest).find(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
  return (workload as WithPod | undefined)?.spec?.template?.spec?.containers?.[0]?.image ?? null;
}

interface WithPod {
  readonly spec?: {
    readonly template?: { readonly spec?: { readonly containers?: readonly { readonly image?: string }[] } };
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
