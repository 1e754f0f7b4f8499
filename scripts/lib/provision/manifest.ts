/** What a rendered chart installs, as far as `provision` has to prepare for it. Pure. */
import { CliError } from '../cli/errors.ts';
import { objectsIn } from '../helm/manifest-diff.ts';
import type { ClaimObject } from '../transport/objects.ts';
import { parseWorkload, type WorkloadObject } from '../worker/workload.ts';
import { type ClaimSpec, claimSpec } from './claim.ts';

export interface Brought {
  /** `Deployment/factory-worker-1` …, without the pods of `helm test`. */
  readonly objects: readonly string[];
  readonly image: string;
  readonly replicas: number;
  readonly privileged: boolean;
  /** The mounted Secret; null when there is none. */
  readonly secret: string | null;
  /** Whether the chart creates that Secret, from `secrets.inline`. */
  readonly inlineSecret: boolean;
  /** `database.kind`; null when the build of factory decides. */
  readonly database: string | null;
  readonly pullSecrets: readonly string[];
  /** The claim of the state volume; null without persistence. */
  readonly claim: string | null;
  /** Whether the chart creates that claim; if not, it has to exist. */
  readonly makesClaim: boolean;
  /** What it asks of the claim that it creates; null when it creates none. */
  readonly asked: ClaimSpec | null;
}

/**
 * @param manifest the output of `helm template` or `helm get manifest`
 * @throws CliError when it is not the manifest of a worker
 */
export function readManifest(manifest: string): Brought {
  const objects = objectsIn(manifest).filter(
    ({ kind, metadata }) => kind !== undefined && !metadata?.annotations?.['helm.sh/hook'],
  );
  const named = objects.map(({ kind, metadata }) => `${kind}/${metadata?.name}`);
  const deployment = objects.find(({ kind }) => kind === 'Deployment') as WorkloadObject | undefined;
  if (deployment === undefined) throw new CliError('there is no Deployment in what the chart renders');
  const { image, replicas, privileged, secret, claim, pod } = parseWorkload(deployment);
  const made = objects.find(
    ({ kind, metadata }) => kind === 'PersistentVolumeClaim' && metadata?.name === claim,
  ) as ClaimObject | undefined;
  return {
    objects: named.toSorted(),
    image,
    replicas,
    privileged,
    secret,
    inlineSecret: named.includes(`Secret/${secret}`),
    database: variableOf(deployment, 'FACTORY_DATABASE'),
    // Each is asked for; a list may name one twice.
    pullSecrets: [...new Set(pod.imagePullSecrets.map(({ name }) => name))],
    claim,
    makesClaim: made !== undefined,
    asked: made === undefined ? null : claimSpec(made),
  };
}

/** The value of a variable in the environment of the pod's containers; null when it has none. */
function variableOf({ spec }: WorkloadObject, variable: string): string | null {
  const all = spec.template.spec.containers.flatMap(({ env = [] }) => env);
  return all.find(({ name }) => name === variable)?.value ?? null;
}
