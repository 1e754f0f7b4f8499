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

/** @throws UsageError when the text names no image */
export function parseReference(text: string): Reference {
  const { repository, tag, digest } = REFERENCE.exec(text)?.groups ?? {};
  // A port is no tag: what follows the last colon has no slash in it, which the pattern already says.
  if (repository === undefined) {
    throw new UsageError(
      `"${text}" names no image`,
      'write registry/repository, registry/repository:tag or …@sha256:…',
    );
  }
  return { repository, tag: tag ?? null, digest: digest ?? null };
}

/** `repository@sha256:…`, as a pod's spec names an image that cannot change under it. */
export function pinned(repository: string, digest: string): string {
  return `${repository}@${digest}`;
}

/** For people: `repository@sha256:0559bba56383`. */
export function shortReference(text: string): string {
  return text.replace(/(@sha256:[a-f0-9]{12})[a-f0-9]+$/, '$1');
}

/** The tag that every released digest keeps for itself: registries collect manifests without one. */
export function keepingTag(digest: string): string {
  return `release-${digest.replace('sha256:', '').slice(0, 16)}`;
}
