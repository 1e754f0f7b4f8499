/** What Kubernetes never changes of a claim: its class, its access modes, and its size to a smaller one. Pure. */
import { parseQuantity } from '../resize/resources.ts';
import type { ClaimObject } from '../transport/objects.ts';

/** What is asked of a claim, or what it has. */
export interface ClaimSpec {
  readonly size: string;
  /** Null: the cluster's default one is asked for, whatever that is. */
  readonly storageClass: string | null;
  readonly accessMode: string;
}

export function claimSpec({ spec }: Pick<ClaimObject, 'spec'>): ClaimSpec {
  return {
    size: spec?.resources?.requests?.storage ?? '?',
    storageClass: spec?.storageClassName ?? null,
    accessMode: spec?.accessModes?.[0] ?? '?',
  };
}

/** A value of the chart that cannot be had. */
export interface Unchangeable {
  /** `size 20Gi, not 10Gi` */
  readonly text: string;
  /** For `--set`: what the claim has. */
  readonly keep: string;
}

/** Why a claim cannot be given what is asked of it: Kubernetes would refuse it in the middle of an installation. */
export function unchangeable(has: ClaimSpec, asked: ClaimSpec): Unchangeable[] {
  const found: Unchangeable[] = [];
  const [now, then] = [parseQuantity(has.size), parseQuantity(asked.size)];
  if (now !== null && then !== null && then < now)
    found.push({ text: `size ${has.size}, not ${asked.size}`, keep: `persistence.size=${has.size}` });
  if (asked.storageClass !== null && has.storageClass !== null && asked.storageClass !== has.storageClass)
    found.push({
      text: `class ${named(has.storageClass)}, not ${named(asked.storageClass)}`,
      // As the chart writes "none".
      keep: `persistence.storageClass=${has.storageClass || '-'}`,
    });
  if (asked.accessMode !== has.accessMode)
    found.push({
      text: `access mode ${has.accessMode}, not ${asked.accessMode}`,
      keep: `persistence.accessMode=${has.accessMode}`,
    });
  return found;
}

const named = (storageClass: string) => storageClass || '"" (none)';
