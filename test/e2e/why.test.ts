/** The causes that `why` knows, each made for real: what it is called, what it is seen by, what to type. */
import { beforeAll, describe, expect, it } from 'vitest';
import { getObject, kubectl, until } from './cluster.ts';
import { explained } from './explain.ts';
import { claimFolder, killContainer, smallDisk } from './faults.ts';
import { install, REGISTRY, type Values, WITH_DOCKER, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { makePerson, rule } from './person.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { finished, inWorker, restarted, setStandins } from './worker.ts';

const NAMESPACE = 'fwc-why';
const { worker, operator } = useSite(NAMESPACE, WORKING);

describe('a pod that does not come up', () => {
  it.each<[string, Values, string, RegExp]>([
    [
      'no such image',
      { image: { repository: `${REGISTRY}/nobody`, tag: 'none', pullPolicy: 'Always' } },
      'image-pull-reason',
      /not found[\s\S]*push it, or name one that exists/,
    ],
    [
      'no such storage class',
      { persistence: { storageClass: 'no-such-class' } },
      'volume-pending',
      /storage class: no-such-class[\s\S]*get storageclasses/,
    ],
    [
      'more CPUs than any node has',
      { resources: { requests: { cpu: '64' }, limits: { cpu: '64' } } },
      'unscheduled',
      /Insufficient cpu[\s\S]*reduce resources\.requests/,
    ],
  ])('%s', async (_, values, id, text) => {
    const broken = workerIn(NAMESPACE, id);
    await install(broken, values, { wait: false });
    expect(await explained(broken, id)).toMatch(text);
  });
});

it('a claim whose volume is gone for ever', async () => {
  const name = 'fwc-lost';
  await claimFolder(NAMESPACE, name, '/var/lib/fwc-lost');
  await until('it is bound', 30, async () => (await phaseOf(name)) === 'Bound');
  await kubectl('delete', 'persistentvolume', name, '--wait=false');
  // Kubernetes keeps a volume in use from going; the owner of a cloud's disk does not ask it.
  await kubectl(
    'patch',
    'persistentvolume',
    name,
    '--type=merge',
    '--patch={"metadata":{"finalizers":null}}',
  );
  const broken = workerIn(NAMESPACE, name);
  await install(broken, { persistence: { existingClaim: name } }, { wait: false });
  expect(await explained(broken, 'volume-lost')).toMatch(
    /Data on the volume is lost[\s\S]*factory-worker restore FILE fwc-lost/,
  );
});

const phaseOf = async (claim: string) =>
  (await getObject<{ status: { phase: string } }>(NAMESPACE, 'persistentvolumeclaim', claim)).status.phase;

it('a volume that cannot be mounted: what Kubernetes warns of', async () => {
  const broken = workerIn(NAMESPACE, 'event');
  await install(
    broken,
    {
      extraVolumes: [{ name: 'settings', configMap: { name: 'nobody-made-it' } }],
      extraVolumeMounts: [{ name: 'settings', mountPath: '/srv/settings' }],
    },
    { wait: false },
  );
  expect(await explained(broken, 'event-failedmount')).toContain('configmap "nobody-made-it" not found');
});

it('an operator who may not enter', async () => {
  const kubeconfig = await makePerson(NAMESPACE, 'looker', [rule('pods', 'get', 'list')]);
  const looker = Operator.of([worker], { kubeconfig });
  expect(await explained(worker, 'exec-forbidden', { by: looker })).toContain('auth can-i create pods/exec');
  // Nor look at what the causes are usually found in.
  expect(await explained(worker, 'not-looked-at', { by: looker })).toMatch(/events is forbidden/);
});

it('an issue without an intent, behind which the queue stands', async () => {
  await setStandins(worker, 'STANDIN_CLAUDE_MODE=no-intent');
  expect(await operator.type('drain', worker.name)).toExitWith(0);
  expect(await operator.dispatch(worker, 2)).toExitWith(0);
  await inWorker(worker, 'cd /root/.factory/repos/demo && factory queue set-intent 2 ""');
  expect(await operator.type('resume', worker.name)).toExitWith(0);
  expect(await explained(worker, 'row-without-intent')).toContain(
    `factory-worker queue ${worker.name} set-intent 2`,
  );
  await setStandins(worker);
  expect(
    await operator.type('queue', worker.name, 'set-intent', '2', 'Users can log in', '--yes'),
  ).toExitWith(0);
  await finished(worker, 2);
});

it('a loop that takes nothing up', async () => {
  expect(await operator.type('drain', worker.name)).toExitWith(0);
  expect(await operator.dispatch(worker, 1)).toExitWith(0);
  await inWorker(worker, 'mv /srv/demo.git /srv/away.git; rm -rf /root/.factory/repos/demo');
  expect(await operator.type('resume', worker.name)).toExitWith(0);
  expect(await explained(worker, 'loop-waits')).toContain(`factory-worker logs ${worker.name} orchestrator`);
  await inWorker(worker, 'mv /srv/away.git /srv/demo.git');
  await finished(worker, 1);
});

it('a container that was killed: the log of the one before is a command away', async () => {
  await restarted(worker, await killContainer(worker));
  expect(await explained(worker, 'restarted')).toContain(
    `factory-worker logs ${worker.name} boot --previous`,
  );
  const before = await operator.type('logs', worker.name, 'boot', '--previous');
  saw('logs boot --previous', before);
  expect(before).toMatchObject({ code: 0, stdout: expect.stringMatching(/phase orchestrator ok/) });
});

describe('Docker', () => {
  const docker = workerIn(NAMESPACE, 'worker-docker');
  const mount = { name: 'small', mountPath: '/srv/small' };
  beforeAll(() =>
    install(docker, {
      ...WITH_DOCKER,
      extraVolumes: [{ name: mount.name, hostPath: { path: smallDisk('fwc-why', 16) } }],
      extraVolumeMounts: [mount],
      extraEnv: [{ name: 'TMPDIR', value: mount.mountPath }],
    }),
  );

  it('has a network whose packets the pod does not take', async () => {
    await inWorker(
      docker,
      'docker network create --opt com.docker.network.driver.mtu=9000 oldstack; docker network ls',
    );
    expect(await explained(docker, 'mtu')).toMatch(/pod: 1500\ndocker network oldstack: 9000/);
    await inWorker(docker, 'docker network rm oldstack');
  });

  it('has a full disk beside the volume', async () => {
    const hog = `${mount.mountPath}/hog`;
    await inWorker(docker, `head --bytes 20M /dev/zero >${hog} 2>/dev/null; true`);
    expect(await explained(docker, 'disk')).toContain(`factory-worker usage ${docker.name}`);
    await inWorker(docker, `rm ${hog}`);
  });

  // The supervisor's own has its storage driver written down; this is somebody's who has started another.
  it('copies whole layers', async () => {
    await inWorker(docker, 'mv /var/run/docker.sock /var/run/docker.away');
    await inWorker(
      docker,
      `dockerd --config-file=/dev/null --host=unix:///var/run/docker.sock --storage-driver=vfs --data-root=/root/vfs \
         --exec-root=/run/vfs --pidfile=/run/vfs.pid --bridge=none --iptables=false >/run/vfs.log 2>&1 </dev/null &`,
    );
    expect(await explained(docker, 'docker-driver')).toContain('Driver vfs');
    await inWorker(docker, 'kill "$(cat /run/vfs.pid)"');
  });

  it('does not answer', async () => {
    await inWorker(docker, 'rm -f /var/run/docker.sock');
    expect(await explained(docker, 'docker-down')).toContain(`factory-worker logs ${docker.name} docker`);
  });
});
