/** What happens to a node: a program of it is taken away, a container is killed, a disk is small. The test cluster alone has these. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { apply, kubectl, ROOT, until } from './cluster.ts';
import { getPod, readyPod, type TestWorker } from './worker.ts';

/** Name of the node, of which there is one but for a test that adds another. */
export const NODE = 'fwc-node';
export const SECOND_NODE = 'fwc-node-2';
/** With it a pod may be scheduled on the second node, too. */
export const ON_BOTH_NODES = { tolerations: [{ key: 'factory-worker-test/second', operator: 'Exists' }] };

/** Runs one of the scripts of test/cluster. @returns what it printed */
function onNode(script: string, ...args: string[]): string {
  return run(script, args, {});
}

function run(script: string, args: readonly string[], env: NodeJS.ProcessEnv): string {
  return execFileSync(join(ROOT, 'test', 'cluster', script), args, {
    encoding: 'utf8',
    stdio: 'pipe',
    env: { ...process.env, ...env },
  });
}

/** Adds the second node, or takes it away with everything on it, as a machine that is lost. */
export function secondNode(action: 'up' | 'down'): void {
  onNode('second-node.sh', action);
}

export type Service = 'kube-apiserver' | 'kubelet' | 'containerd';

/** Freezes, thaws, stops or starts one of the node's programs. */
export function service(action: 'freeze' | 'thaw' | 'stop' | 'start', name: Service): void {
  onNode('service.sh', action, name);
}

/** Runs a test while a program is frozen or stopped, and brings it back however the test ends. */
export async function without<T>(
  action: 'freeze' | 'stop',
  name: Service,
  test: () => Promise<T>,
): Promise<T> {
  service(action, name);
  try {
    return await test();
  } finally {
    const since = Date.now();
    service(action === 'freeze' ? 'thaw' : 'start', name);
    // A kubelet whose node was deleted registers it anew, which has taken more than 90 s on a busy machine.
    await until(`${name} is back`, 240, async () => {
      await kubectl('get', '--raw', '/readyz', '--request-timeout=5s');
      return name === 'kube-apiserver' || nodeAnswers(since);
    });
  }
}

/** Runs a test while the node has less memory than its kubelet wants to see free, so that it evicts pod after pod. */
export async function shortOfMemory(test: () => Promise<unknown>): Promise<void> {
  const evictBelow = (...memory: string[]) =>
    without('stop', 'kubelet', async () => void onNode('eviction.sh', ...memory));
  await evictBelow('99%');
  try {
    await test();
  } finally {
    await evictBelow();
  }
}

/** Whether the node is Ready by a word of its kubelet's that is newer than a moment: what it said last before it was taken away stays. */
async function nodeAnswers(since: number): Promise<boolean> {
  const ask = (...args: string[]) => kubectl('get', ...args);
  const renewed = await ask('lease', NODE, '-n', 'kube-node-lease', '-o', 'jsonpath={.spec.renewTime}');
  const condition = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
  return Date.parse(renewed) > since && (await ask('node', NODE, '-o', condition)) === 'True';
}

/**
 * Kills the first process of a worker's container at once, as the kernel does when memory runs out.
 *
 * @returns the name of its pod, which stays
 */
export async function killContainer(worker: TestWorker): Promise<string> {
  const pod = await readyPod(worker);
  const { metadata } = await getPod(worker, pod);
  onNode('kill-container.sh', metadata.uid, 'worker');
  return pod;
}

/** Makes a disk of its own, of some MiB, on a node. @returns its folder there */
export function smallDisk(name: string, mebibytes: number, node = NODE): string {
  const which = { SECOND_NODE: node === SECOND_NODE ? 'yes' : '' };
  return run('small-disk.sh', [name, String(mebibytes)], which).trim();
}

/**
 * Makes a claim on a volume that is a folder of the node.
 *
 * @param name of the volume, which outlives its namespace, and of the claim
 */
export async function claimFolder(namespace: string, name: string, path: string): Promise<void> {
  const capacity = { storage: '64Mi' };
  const accessModes = ['ReadWriteOnce'];
  const claimRef = { namespace, name };
  // No storage class: the default one would make a volume of its own.
  const alike = { accessModes, storageClassName: '' };
  await apply(
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: { ...alike, capacity, claimRef, persistentVolumeReclaimPolicy: 'Retain', hostPath: { path } },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: claimRef,
      spec: { ...alike, volumeName: name, resources: { requests: capacity } },
    },
  );
}
