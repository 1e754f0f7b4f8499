/** The result of a rotation or of `rotate --check`. Pure. */
import { count } from '../cli/text.ts';
import type { Hashes } from '../secret/secret.ts';
import type { Key } from '../secret/tokens.ts';
import { NoEntranceError } from '../worker/observe.ts';
import type { Proof } from './inquiry.ts';
import { type Layer, layersOf } from './layers.ts';

export interface Report {
  readonly layers: readonly Layer[];
  /** Why only the Secret could be checked; null when the worker was asked too. */
  readonly notAsked: string | null;
  /** For the operator: what it means, and what to type. */
  readonly notes: readonly string[];
  /** Whether an old or refused token is where a new one should be, or nothing could be found out. */
  readonly failed: boolean;
}

/**
 * @param secret hashes of the Secret's present values
 * @param rotated whether new tokens have just been written
 * @param check the command line of `rotate --check`
 */
export function reportOn(
  secret: Hashes,
  proof: Proof,
  keys: readonly Key[],
  rotated: boolean,
  check: string,
): Report {
  if (proof instanceof NoEntranceError) {
    const notAsked = proof.message;
    const notes = rotated
      ? [
          `the new tokens are in the Secret; nothing else could be checked: ${notAsked}`,
          `${whatFollows(proof)}; once it runs: ${check}`,
        ]
      : [`${notAsked}: only its Secret could be checked`, ...proof.hints];
    return { layers: layersOf(secret, null, keys), notAsked, notes, failed: !rotated };
  }
  const layers = layersOf(secret, proof, keys);
  const stale = layers.filter(({ state }) => state === 'stale');
  const running = stale.filter(({ layer }) => layer === 'process').length;
  const notes: string[] = [];
  if (running > 0) {
    const have = `${count(running, 'program')} still ${running === 1 ? 'has' : 'have'} an old token`;
    notes.push(`${have}, until the stage ends: revoke it only then; look again: ${check}`);
  } else if (rotated && stale.length === 0) {
    notes.push('no layer has an old one any more: the old ones can be revoked');
  }
  const failed = stale.length > running || layers.some(({ state }) => state === 'refused');
  return { layers, notAsked: null, notes, failed };
}

/** What is known about a worker that cannot be entered. */
function whatFollows({ status }: NoEntranceError): string {
  return status === 'node-lost'
    ? 'programs that still run on its node may have the old ones'
    : 'none of its programs has the old ones, and its next start uses the new ones';
}
