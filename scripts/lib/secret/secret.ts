/** The Secret of a worker: its keys, short hashes of its values, and replacing it unless it has changed since it was read. */

import { CliError } from '../cli/errors.ts';
import { enumerate } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { shortHash } from '../short-hash.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlError, kubectlInNamespace } from '../transport/kubectl-errors.ts';
import { expectSeen, getOrNull, isHelms } from '../transport/objects.ts';
import type { Token } from './tokens.ts';

export interface SecretObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    /** From reading it; a replacement is refused when a newer one exists. */
    readonly resourceVersion?: string;
  };
  readonly type?: string;
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
}

export type Hashes = ReadonlyMap<string, string>;

/** Prints each key with the length of its value: values do not leave kubectl. */
export const KEYS_TEMPLATE = '{{range $key, $value := .data}}{{$key}} {{len $value}}{{"\\n"}}{{end}}';

/**
 * @param text the output of {@link KEYS_TEMPLATE}
 * @returns names of the keys that have a value
 */
export function keysWithValues(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([key, length]) => key && Number(length) > 0)
    .map(([key = '']) => key);
}

/** @returns null when there is none of that name */
export async function readSecret(
  cluster: Cluster,
  worker: ClusterWorker,
  name: string,
): Promise<SecretObject | null> {
  return getOrNull<SecretObject>(cluster, worker, 'secret', name, 'read the Secret of');
}

/** The Secret's values, decoded. */
export function valuesOf(secret: SecretObject | null): { readonly key: string; readonly value: string }[] {
  return Object.entries(secret?.data ?? {}).map(([key, value]) => ({
    key,
    value: Buffer.from(value, 'base64').toString('utf8'),
  }));
}

export function hashesOf(secret: SecretObject | null): Hashes {
  return new Map(valuesOf(secret).map(({ key, value }) => [key, shortHash(value)]));
}

/** The release that created the Secret from `secrets.inline`; null when it is the operator's own. */
export function releaseOf(secret: SecretObject | null): string | null {
  if (secret === null || !isHelms(secret.metadata)) return null;
  return secret.metadata.annotations?.['meta.helm.sh/release-name'] ?? null;
}

/** Values encoded for a Secret. */
export function encoded(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
}

/** The Secret with new tokens; a new one where there was none. */
export function withTokens(
  secret: SecretObject | null,
  name: string,
  tokens: readonly Token[],
): SecretObject {
  const data = encoded(Object.fromEntries(tokens.map(({ key, value }) => [key, value])));
  if (secret === null) return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'Opaque', data };
  const { labels = {}, annotations = {}, resourceVersion, namespace } = secret.metadata;
  // It would keep the old token for ever.
  const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...kept } = annotations;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      labels,
      annotations: kept,
      ...(resourceVersion ? { resourceVersion } : {}),
    },
    ...(secret.type ? { type: secret.type } : {}),
    data: { ...secret.data, ...data },
  };
}

/** Appended to a printed command line that reads a Secret from stdin. */
export const UNSHOWN = '   # the Secret on stdin, not shown';

/** How to write a Secret: one that was read is replaced, unless it has changed since. */
export function verbFor({ metadata }: SecretObject): 'create' | 'replace' {
  return metadata.resourceVersion === undefined ? 'create' : 'replace';
}

/** Arguments of `kubectl` to write the Secret given on stdin. */
export function writeArgs(verb: 'create' | 'replace'): string[] {
  return [verb, '--filename=-', '--output=name'];
}

/**
 * Writes the Secret over stdin, and reads it back.
 *
 * @returns the Secret as it is now
 * @throws CliError when another process has changed it since it was read, or it is immutable: then nothing was written; or
 *   when it does not hold the written values afterwards
 */
export async function writeSecret(
  cluster: Cluster,
  worker: ClusterWorker,
  secret: SecretObject,
): Promise<SecretObject> {
  const { name } = secret.metadata;
  const result = await kubectl(cluster, worker, writeArgs(verbFor(secret)), {
    input: JSON.stringify(secret),
  });
  if (result.code === 0) return expectWritten(cluster, worker, name, secret.data ?? {}, 'kubectl');
  if (/\(Conflict\)|AlreadyExists/.test(result.stderr)) {
    throw new CliError(`another process has just changed the Secret ${name}; nothing was changed`, {
      hints: ['check what it was, then type it again'],
    });
  }
  throw kubectlError(result, worker, 'write the Secret of');
}

/**
 * Checks that a Secret holds what was written into it.
 *
 * @param data the expected keys and values, in base64; an empty one may be missing, and other keys are allowed
 * @param by the program that wrote it
 * @returns the Secret as it is now
 * @throws CliError when it holds something else
 */
export async function expectWritten(
  cluster: Cluster,
  worker: ClusterWorker,
  name: string,
  data: Readonly<Record<string, string>>,
  by: 'kubectl' | 'helm',
): Promise<SecretObject> {
  // The chart treats the line break at the end of a key differently.
  const plain = (value = '') => Buffer.from(value, 'base64').toString('utf8').trim();
  let found = null as SecretObject | null;
  await expectSeen(
    {
      failed: `the Secret ${name} of ${worker.name} was not written`,
      by,
      look: async () => {
        found = await readSecret(cluster, worker, name);
        if (found === null) return 'it does not exist';
        const others = Object.keys(data).filter((key) => plain(found?.data?.[key]) !== plain(data[key]));
        return others.length === 0 ? null : `another ${enumerate(others)} is in it`;
      },
      hints: [`who else writes it? ${kubectlInNamespace(worker, 'describe', 'secret', name)}`],
    },
    cluster,
  );
  return found as SecretObject;
}
