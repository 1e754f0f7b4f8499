import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type Discovery, startDiscovery } from './discovery.ts';
import { argumentsOf, type Call, type Helm, KUBERNETES, type KubernetesObject, run } from './helm.ts';

/** Every kind that any version of the chart makes. */
const KINDS: readonly KubernetesObject[] = [
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
  { apiVersion: 'v1', kind: 'Pod' },
  { apiVersion: 'v1', kind: 'Secret' },
  { apiVersion: 'v1', kind: 'ServiceAccount' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role' },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding' },
];

/** What `helm install -o json` and `helm upgrade -o json` print. */
export interface Release {
  readonly manifest: string;
  readonly info: { readonly notes: string; readonly status: string };
  readonly config?: unknown;
}

let discovery: Discovery;
const folder = mkdtempSync(join(tmpdir(), 'releases-'));

/** Call it once in a test file that uses the functions below. */
export function useDryRuns(): void {
  beforeAll(async () => {
    discovery = await startDiscovery(KINDS, KUBERNETES.newest);
  });
  afterAll(async () => {
    await discovery.close();
    rmSync(folder, { recursive: true, force: true });
  });
}

/**
 * `helm install --dry-run=client`.
 *
 * @throws with helm's words when it refuses
 */
export async function install(helm: Helm, call: Call = {}): Promise<Release> {
  return dryRun(helm, 'install', call, {});
}

/**
 * `helm upgrade --dry-run=client` of a release that was installed before, with the values it had then.
 *
 * @param flag which values go on: Helm's own flag
 * @throws with helm's words when it refuses
 */
export async function upgrade(helm: Helm, installed: Release, call: Call, flag: string): Promise<Release> {
  const store = join(folder, `${Math.random()}.yaml`);
  // Helm's driver for tests keeps releases in a file: a real upgrade of a real record, and no cluster.
  writeFileSync(store, JSON.stringify([{ ...installed, info: { ...installed.info, status: 'deployed' } }]));
  const env = { HELM_DRIVER: 'memory', HELM_MEMORY_DRIVER_DATA: store };
  return dryRun(helm, 'upgrade', { ...call, args: [...(call.args ?? []), flag] }, env);
}

async function dryRun(helm: Helm, verb: string, call: Call, env: Record<string, string>): Promise<Release> {
  const { args, input } = argumentsOf(call);
  const all = [verb, ...args, '--dry-run=client', '--output', 'json', '--kube-apiserver', discovery.url];
  // Helm 3 would download the schema of every kind; lint-chart checks the fields.
  all.push('--disable-openapi-validation');
  const { code, stdout, stderr } = await run(helm, all, input, env);
  if (code !== 0) throw new Error(`helm ${verb} failed: ${stderr}`);
  return JSON.parse(stdout) as Release;
}
