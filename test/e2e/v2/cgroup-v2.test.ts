/** The real image, privileged, on a node with cgroup v2 as production has it: the kubelet of test/cluster/v2 starts it. */
import { beforeAll, expect, it } from 'vitest';
import { loadBox } from '../box.ts';
import { kubectl, until } from '../cluster.ts';
import { install, WITH_DOCKER, WORKING, workerIn } from '../install.ts';
import { Operator } from '../operator.ts';
import { saw } from '../seen.ts';
import { useNamespace } from '../site.ts';
import { assertSound, finished, inWorker } from '../worker.ts';

const GIB = 1024 ** 3;
const worker = workerIn('fwc-v2', 'worker-1');
const operator = Operator.of([worker]);

useNamespace('fwc-v2');
beforeAll(async () => {
  const values = {
    ...WORKING,
    ...WITH_DOCKER,
    nodeSelector: { 'kubernetes.io/hostname': 'fwc-v2' },
    tolerations: [{ key: 'factory-worker-test/cgroup-v2', operator: 'Exists' }],
    // An emulated processor is slow.
    probes: { readiness: { periodSeconds: 15 } },
  };
  await install(worker, values, { wait: false });
  await until('the pod is Ready', 600, async () => {
    const condition = '-o=jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}';
    return (await kubectl('-n', worker.namespace, 'get', 'pods', condition)) === 'True';
  });
});

it('is ready, with its Docker on cgroup v2, and works on an issue', async () => {
  expect(await inWorker(worker, 'stat --file-system --format %T /sys/fs/cgroup')).toBe('cgroup2fs\n');
  expect(await inWorker(worker, 'worker-health ready')).toBe('ok\n');
  const docker = 'docker info --format "{{.Driver}} v{{.CgroupVersion}} {{.CgroupDriver}}"';
  expect(await inWorker(worker, docker)).toBe('overlay2 v2 cgroupfs\n');
  const row = await operator.row(worker, '--timeout', '60s');
  expect(row).toMatchObject({ status: 'running', code: 0 });
  expect(await operator.dispatch(worker, 1, '--timeout', '60s')).toExitWith(0);
  await finished(worker, 1, 400);
  saw('worker on cgroup v2: status', await operator.status(worker, '--timeout', '60s'));
  await assertSound(worker);
});

it('its containers are below the pod’s cgroup, with a limit below the pod’s', async () => {
  await loadBox(worker);
  await inWorker(worker, 'docker run --detach --network none --name below box sleep 6000');
  expect(await inWorker(worker, 'docker inspect --format "{{.State.Running}}" below')).toBe('true\n');
  const pid = (await inWorker(worker, 'docker inspect --format "{{.State.Pid}}" below')).trim();
  const own = await inWorker(worker, `cat /proc/${pid}/cgroup /proc/1/cgroup`);
  saw('worker on cgroup v2: the cgroups of a container in it, and of its first process', own);
  expect(own).toMatch(/^0::(\/kubepods\/\S+)\/docker\/[0-9a-f]{64}\n0::\1\/init\n$/);
  const limit = await inWorker(worker, 'cat /sys/fs/cgroup/docker/memory.max');
  expect(Number(limit)).toBe(GIB - 256 * 1024 ** 2);
  expect(await inWorker(worker, 'cat /sys/fs/cgroup/memory.oom.group')).toBe('0\n');
});

it('a hog in a container is killed, and only the hog', async () => {
  const vital = 'pgrep -o -x dockerd; tmux display-message -p "#{pid}"; pgrep -o --full "[s]upervisor.js"';
  const before = await inWorker(worker, vital);
  const hog = 'docker run --rm --network none box dd if=/dev/zero of=/dev/null bs=2000M count=1; echo $?';
  expect(await inWorker(worker, hog)).toBe('137\n');
  // The neighbour lives, too.
  expect(await inWorker(worker, 'docker inspect --format "{{.State.Running}}" below')).toBe('true\n');
  expect(await inWorker(worker, vital)).toBe(before);
});
