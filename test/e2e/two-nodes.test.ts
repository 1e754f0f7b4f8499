/** Two nodes, and volumes on their disks (WaitForFirstConsumer): a pod can go where its volume is, and nowhere else. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NOWHERE } from '../release/operator.ts';
import { apply, CONTEXT, getObject, KUBECONFIG, kubectl, SCRATCH, until } from './cluster.ts';
import { explained } from './explain.ts';
import { NODE, ON_BOTH_NODES, SECOND_NODE, secondNode, smallDisk } from './faults.ts';
import { dropNamespace, removeNamespace, valuesOf, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { rollout } from './releasing.ts';
import { saw } from './seen.ts';
import { deletePod, getPod, isDrained, podsOf, queueOf, readyPod } from './worker.ts';

const NAMESPACE = 'fwc-two-nodes';
const CLASS = 'fwc-two-nodes';
const FOLDER = join(SCRATCH, NAMESPACE);
const BACKUP = join(FOLDER, 'one.tar.gz');
const operator = new Operator(join(FOLDER, 'workers.yaml'));
const one = workerIn(NAMESPACE, 'one');
const PLACE = ['--context', CONTEXT, '--namespace', NAMESPACE, '--kubeconfig', KUBECONFIG];
const values = valuesOf({
  ...ON_BOTH_NODES,
  persistence: { accessMode: 'ReadWriteOnce', size: '64Mi', storageClass: CLASS },
});

const provision = (...args: string[]) =>
  operator.type('provision', 'one', ...PLACE, ...values, '--yes', ...args);

/** A volume on a disk of a node, as its administrator makes it. */
async function makeVolume(node: string): Promise<void> {
  const values = [node];
  const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In', values }];
  await apply({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeOn(node) },
    spec: {
      capacity: { storage: '64Mi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: CLASS,
      local: { path: smallDisk(CLASS, 64, node) },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
    },
  });
}

const volumeOn = (node: string) => `disk-of-${node}`;

const claimed = async () =>
  (await getObject<{ spec: { volumeName?: string } }>(NAMESPACE, 'persistentvolumeclaim', 'factory-one-data'))
    .spec.volumeName;

const nodeOf = async (pod: string) =>
  ((await getPod(one, pod)) as unknown as { spec: { nodeName?: string } }).spec.nodeName;

async function removeVolumes(): Promise<void> {
  const names = [NODE, SECOND_NODE].map(volumeOn);
  await kubectl('delete', 'persistentvolume', ...names, '--ignore-not-found', '--wait=false');
}

beforeAll(async () => {
  // Of an earlier run: a backup replaces no file.
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  await removeNamespace(NAMESPACE);
  await removeVolumes();
  secondNode('up');
  await apply({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: CLASS },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
});

afterAll(async () => {
  secondNode('down');
  await dropNamespace(NAMESPACE);
  await removeVolumes();
  await kubectl('delete', 'storageclass', CLASS, '--ignore-not-found');
});

it('a worker that is not started yet has no volume, which is no fault', async () => {
  expect(await provision('--set', 'replicas=0')).toExitWith(0);
  expect(await claimed()).toBeUndefined();
  const doctor = await operator.type('doctor', 'one', '--timeout', '1m');
  saw('doctor, of a claim that waits for its first consumer', doctor);
  expect(doctor.stdout).toMatch(/ok +volume .*its volume is chosen when the worker starts/);
});

it('started, it waits for a volume that is free; why says so', async () => {
  const answer = await operator.type('start', 'one', '--wait-timeout', '1s');
  saw('start, without a free volume', answer);
  expect(answer).toExitWith(124);
  expect(await explained(one, 'unscheduled', { by: operator })).toMatch(
    /no node has a free volume for the claim factory-one-data/,
  );
});

it('it goes to the node of the volume', async () => {
  await makeVolume(SECOND_NODE);
  expect(await operator.type('start', 'one')).toExitWith(0);
  expect(await nodeOf(await readyPod(one))).toBe(SECOND_NODE);
  expect(await operator.dispatch(one, 7)).toExitWith(0);
});

it('its node is cordoned: a release is refused before anything is touched', async () => {
  await kubectl('cordon', SECOND_NODE);
  const pod = await readyPod(one);
  const answer = await operator.type(...rollout(NOWHERE, 'one'));
  saw('a release of a worker whose volume is on a cordoned node', answer);
  expect(answer).toExitWith(1);
  expect(answer.stderr).toMatch(
    /nothing was touched: one would find no node for its new pod: its volume \S+ can only be mounted on fwc-node-2 \(cordoned\)\n.*uncordon fwc-node-2/,
  );
  expect([await readyPod(one), await isDrained(one)]).toEqual([pod, false]);
  expect(await operator.type('backup', 'one', BACKUP)).toExitWith(0);
});

it('its pod is deleted meanwhile: why names the volume and the node', async () => {
  const before = await readyPod(one);
  await deletePod(one, before);
  const why = await explained(one, 'unscheduled', { by: operator });
  expect(why).toContain(`persistentvolume ${volumeOn(SECOND_NODE)}: kubernetes.io/hostname ${SECOND_NODE}`);
  expect(why).toContain(`uncordon ${SECOND_NODE}`);
  expect(why).not.toContain('nodeSelector');
  saw('list, of a pod whose volume is on a cordoned node', await operator.list());
  saw('status, of a pod whose volume is on a cordoned node', await operator.status(one));
  await kubectl('uncordon', SECOND_NODE);
  expect(await nodeOf(await readyPod(one, before))).toBe(SECOND_NODE);
  expect(await queueOf(one)).toEqual([7]);
});

it('its node is lost: a new volume on the other one, by what why says, and the state from a backup', async () => {
  await makeVolume(NODE);
  secondNode('down');
  await until('its pod is gone with the node', 120, async () =>
    (await podsOf(one)).every(({ spec }) => !('nodeName' in spec)),
  );
  const why = await explained(one, 'unscheduled', { by: operator });
  expect(why).toMatch(/delete persistentvolumeclaim factory-one-data\n.*provision one.*\n.*restore FILE one/);
  await kubectl('-n', NAMESPACE, 'delete', 'persistentvolumeclaim', 'factory-one-data');
  const again = await provision();
  saw('provision of a worker whose volume was lost with its node', again);
  expect(again).toExitWith(0);
  expect([await nodeOf(await readyPod(one)), await claimed(), await queueOf(one)]).toEqual([
    NODE,
    volumeOn(NODE),
    [],
  ]);
  expect(await operator.type('restore', BACKUP, 'one', '--yes')).toExitWith(0);
  expect(await queueOf(one)).toEqual([7]);
});
