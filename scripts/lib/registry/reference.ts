/** Names of images: `registry/repository:tag@digest`. Pure. */
import { UsageError } from '../cli/errors.ts';

export interface Reference {
  /** Registry and repository, without tag and digest. */
  readonly repository: string;
  readonly tag: string | null;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string | null;
}

const REFERENCE =
  /^(?<repository>[a-z0-9]+(?:[._:/-]+[a-z0-9]+)*?)(?::(?<tag>\w[\w.-]{0,127}))?(?:@(?<digest>sha256:[a-f0-9]{64}))?$/i;

/** @throws UsageError when the text is not an image reference */
export function parseReference(text: string): Reference {
  const { repository, tag, digest } = REFERENCE.exec(text)?.groups ?? {};
  // A port is not a tag: a tag has no slash, which the pattern already requires.
  if (repository === undefined) {
    throw new UsageError(
      `"${text}" is not a valid image name`,
      'write registry/repository, registry/repository:tag or …@sha256:…',
    );
  }
  return { repository, tag: tag ?? null, digest: digest ?? null };
}

/** `repository@sha256:…`, the form for a pod's spec: the image behind it cannot change. */
export function pinned(repository: string, digest: string): string {
  return `${repository}@${digest}`;
}

/** Shortened for messages: `repository@sha256:0559bba56383`. */
export function shortReference(text: string): string {
  return text.replace(/(@sha256:[a-f0-9]{12})[a-f0-9]+$/, '$1');
}

/** A tag of its own for every released digest: registries garbage-collect untagged manifests. */
export function keepingTag(digest: string): string {
  return `release-${digest.replace('sha256:', '').slice(0, 16)}`;
}
