/** What a rotation, or a look at the layers, comes to. Pure. */
import { count } from '../cli/text.ts';
import type { Hashes } from '../secret/secret.ts';
import type { Key } from '../secret/tokens.ts';
import { NoEntranceError } from '../worker/observe.ts';
import type { Proof } from './inquiry.ts';
import { type Layer, layersOf } from './layers.ts';

export interface Report {
  readonly layers: readonly Layer[];
  /** Why nothing beyond the Secret could be asked; null when it was. */
  readonly notAsked: string | null;
  /** For people: what follows from it, and what to type. */
  readonly notes: readonly string[];
  /** An old or refused token is where a new one should be, or nothing could be found out. */
  readonly failed: boolean;
}

/**
 * @param secret hashes of what the Secret has now
 * @param rotated whether it has just been given new tokens
 * @param check how the operator types the look at the layers
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
          `the new tokens are in the Secret; nothing else could be asked: ${notAsked}`,
          `${whatFollows(proof)}; once it runs: ${check}`,
        ]
      : [`${notAsked}: only its Secret could be looked at`, ...proof.hints];
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

/** What is known of a worker without a container to enter. */
function whatFollows({ status }: NoEntranceError): string {
  return status === 'node-lost'
    ? 'what runs on its node, should it still run, may have the old ones'
    : 'no program of it has the old ones, and its next start takes the new ones';
}
