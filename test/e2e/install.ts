/** Workers installed with the real chart, and the namespaces they are installed in. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pinnedHelm } from '../charts/pinned-helm.ts';
import { apply, CONTEXT, FOREIGN, KUBECONFIG, kubectl, SCRATCH, until } from './cluster.ts';
import type { TestWorker } from './worker.ts';

const run = promisify(execFile);

export type Values = Readonly<Record<string, unknown>>;

/** The image of test/e2e/image.sh, or one that was built for real: `NAME:TAG`. */
export const IMAGE = process.env['E2E_IMAGE'] || 'localhost/factory-worker-e2e:1';

/** Where images are pushed to and pulled from, by this machine and by the node. */
export const REGISTRY = `localhost:${process.env['CLUSTER_REGISTRY_PORT'] || '5213'}`;

const imageValues = (image: string) => ({
  repository: image.slice(0, image.lastIndexOf(':')),
  tag: image.slice(image.lastIndexOf(':') + 1),
});

/** Of claude and of gh. */
export const TOKEN = 'made-up-token';

/** What a small machine can spare; no Docker, so that nothing is privileged; a project that needs no network. */
const VALUES = {
  image: imageValues(IMAGE),
  docker: { enabled: false },
  // The stand-ins take any; one that no other text has, since a worker masks it wherever it stands.
  secrets: { inline: { CLAUDE_CODE_OAUTH_TOKEN: TOKEN, GH_TOKEN: TOKEN, GH_USER: 'factory-bot' } },
  resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '1Gi' } },
  persistence: { accessMode: 'ReadWriteOnce', size: '1Gi' },
  orchestrator: { enabled: false, interval: '2s' },
  projects: [{ name: 'demo', repo: 'file:///srv/demo.git' }],
  shutdown: { waitForStage: '5s' },
  terminationGracePeriodSeconds: 70,
  // Each costs a tenth of a second of processor, and many workers run beside each other.
  probes: { readiness: { periodSeconds: 5 } },
};

/** The STATUS of a worker with these values, whose orchestrator is switched off so that its queue stays as it is. */
export const HELD = 'drained';

/** For a worker whose orchestrator works, every two seconds. */
export const WORKING = { orchestrator: { enabled: true } };

/** For a worker with a Docker of its own, hence privileged: the real image, as test/e2e/push-image.sh pushed it. */
export const WITH_DOCKER = {
  image: imageValues(`${REGISTRY}/factory-worker:e2e`),
  docker: { enabled: true, memoryReserve: '256Mi' },
  resources: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '1Gi' } },
  // As the chart has it by default.
  persistence: { accessMode: 'ReadWriteOncePod', size: '1Gi' },
};

/**
 * For a worker whose factory keeps its queue in PostgreSQL: the same image with the stand-in for such a build, since the small
 * one has no server.
 */
export const WITH_POSTGRES = { image: imageValues(`${REGISTRY}/factory-worker:e2e-postgres`) };

/** For a worker without any token. */
export const NO_TOKENS = {
  secrets: { inline: { CLAUDE_CODE_OAUTH_TOKEN: '', GH_TOKEN: '', GH_USER: '' } },
};

/** Settings of the stand-ins for factory, claude and gh (examples/README.md), to merge into the values. */
export function standins(lines: Readonly<Record<string, string | number>>): Values {
  return { standins: lines };
}

/** The chart, from the checkout's top. */
export const CHART = 'charts/factory-worker';

/** Helm, as the chart's own tests resolve it. */
export const HELM = process.env['HELM'] || pinnedHelm('helm3') || 'helm';

export function helm(...args: string[]): Promise<string> {
  return runHelm(HELM, ...args);
}

async function runHelm(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(program, [...args, `--kubeconfig=${KUBECONFIG}`, `--kube-context=${CONTEXT}`]);
  return stdout;
}

/** The arguments of helm that give a worker of these tests its values; what stands later wins. */
export function valuesOf(...values: readonly Values[]): string[] {
  mkdirSync(SCRATCH, { recursive: true });
  // A folder of their own: test files that run at the same moment call their workers by the same names.
  const folder = mkdtempSync(join(SCRATCH, 'values-'));
  return [VALUES, ...values].map((content, index) => {
    const file = join(folder, `${index}.json`);
    writeFileSync(file, JSON.stringify(content));
    return `--values=${file}`;
  });
}

const PRIVILEGED = Object.fromEntries(
  ['enforce', 'audit', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'privileged']),
);

/** Makes a namespace anew, with the labels that a worker's namespace needs unless others are given. */
export async function makeNamespace(name: string, labels: Values = PRIVILEGED): Promise<void> {
  await removeNamespace(name);
  // Somebody else's is used as it is.
  if (FOREIGN) return;
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  // A pod cannot be made before its namespace's own service account is.
  await until('the default service account', 60, () =>
    kubectl('-n', name, 'get', 'serviceaccount', 'default'),
  );
}

/** Removes a namespace with all that is in it; in a cluster that is not ours, the releases that are. Waits for its end. */
export async function removeNamespace(name: string): Promise<void> {
  await dropNamespace(name);
  if (FOREIGN) return;
  await kubectl('wait', '--for=delete', 'namespace', name, '--timeout=120s');
}

/** Begins to remove one that is done with: only who makes it anew has to wait for its end. */
export async function dropNamespace(name: string): Promise<void> {
  if (FOREIGN) {
    // One after the other: several namespaces of the test cluster are one in somebody else's.
    removing = removing.then(removeOurReleases);
    return removing;
  }
  const quickly = ['--grace-period=1', '--ignore-not-found', '--wait=false'];
  await kubectl('-n', name, 'delete', 'pods', '--all', ...quickly).catch(() => {});
  await kubectl('delete', 'namespace', name, '--ignore-not-found', '--wait=false');
}

/** Their names tell which ones are ours. */
const FOREIGN_PREFIX = 'e2e-';

let removing = Promise.resolve();

async function removeOurReleases(): Promise<void> {
  const namespace = FOREIGN?.namespace ?? '';
  const ours = ['list', '--short', '--all', `--namespace=${namespace}`, `--filter=^${FOREIGN_PREFIX}`];
  for (const name of (await helm(...ours)).split('\n').filter((line) => line !== '')) {
    await helm('uninstall', name, `--namespace=${namespace}`, '--wait');
    const selector = `app.kubernetes.io/instance=${name}`;
    await kubectl('-n', namespace, 'delete', 'persistentvolumeclaim,configmap', '--selector', selector);
  }
}

/** The stand-ins read a file in HOME, since neither panes nor the programs' callers hand variables down. */
async function giveStandins({ namespace, name }: TestWorker, lines: Values): Promise<Values> {
  const metadata = { name: `${name}-standins`, namespace, labels: { 'app.kubernetes.io/instance': name } };
  const text = Object.entries(lines).map(([key, value]) => `${key}=${value}\n`);
  await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { settings: text.join('') } });
  return {
    extraVolumes: [{ name: 'standins', configMap: { name: metadata.name } }],
    extraVolumeMounts: [{ name: 'standins', mountPath: '/root/.factory-standin', subPath: 'settings' }],
  };
}

/** A worker's names, whether it is there or not. In a cluster that is not ours the namespace is the one that is there. */
export function workerIn(namespace: string, name: string): TestWorker {
  const release = FOREIGN ? `${FOREIGN_PREFIX}${name}` : name;
  return { name: release, namespace: FOREIGN?.namespace ?? namespace, pod: `factory-${release}` };
}

interface InstallOptions {
  /** Whether to wait until the pod is Ready; true unless said otherwise. */
  readonly wait?: boolean;
  /** Another Helm. */
  readonly program?: string;
}

/** Installs a worker's release. @returns the same worker */
export async function install(
  worker: TestWorker,
  values: Values = {},
  { wait = true, program = HELM }: InstallOptions = {},
): Promise<TestWorker> {
  const { standins: lines, ...rest } = values;
  const more = lines ? [await giveStandins(worker, lines as Values)] : [];
  const files = valuesOf(rest, ...more);
  const waiting = wait ? ['--wait', '--timeout=180s'] : [];
  await runHelm(
    program,
    ...['install', worker.name, CHART, `--namespace=${worker.namespace}`, ...files, ...waiting],
  );
  return worker;
}
