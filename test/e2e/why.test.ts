/** The causes that `why` knows, each made for real: what it is called, what it is seen by, what to type. */
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from './cluster.ts';
import { killContainer } from './faults.ts';
import { install, REGISTRY, type Values, WITH_DOCKER, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { makePerson, rule } from './person.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { inWorker, restarted, type TestWorker } from './worker.ts';

const NAMESPACE = 'fwc-why';
const { worker, operator } = useSite(NAMESPACE, WORKING);

interface Finding {
  readonly id: string;
  readonly evidence: readonly string[];
  readonly next: readonly string[];
}

/** The finding of an id, once it is there; its evidence and advice in one text. */
async function found(id: string, of: TestWorker, by = Operator.of([of])): Promise<string> {
  const finding = await until(`why says ${id}`, 90, async () => {
    const { stdout } = await by.type('why', of.name, '-o', 'json');
    return (JSON.parse(stdout) as { findings: readonly Finding[] }).findings.find((one) => one.id === id);
  });
  saw(`why: ${id}`, await by.type('why', of.name));
  return [...finding.evidence, ...finding.next].join('\n');
}

describe('a pod that does not come up', () => {
  it.each<[string, Values, string, RegExp]>([
    [
      'no such image',
      { image: { repository: `${REGISTRY}/nobody`, tag: 'none', pullPolicy: 'Always' } },
      'image-pull-reason',
      /not found[\s\S]*push it, or name one that is there/,
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
      /Insufficient cpu[\s\S]*smaller resources\.requests/,
    ],
  ])('%s', async (_, values, id, text) => {
    const broken = workerIn(NAMESPACE, id);
    await install(broken, values, { wait: false });
    expect(await found(id, broken)).toMatch(text);
  });
});

it('an operator who may not enter', async () => {
  const kubeconfig = await makePerson(NAMESPACE, 'looker', [rule('pods', 'get', 'list')]);
  const looker = Operator.of([worker], { kubeconfig });
  expect(await found('exec-forbidden', worker, looker)).toContain('auth can-i create pods/exec');
});

it('a container that was killed: the log of the one before is a command away', async () => {
  await restarted(worker, await killContainer(worker));
  expect(await found('restarted', worker, operator)).toContain(`logs.ts ${worker.name} boot --previous`);
  const before = await operator.type('logs', worker.name, 'boot', '--previous');
  saw('logs boot --previous', before);
  expect(before).toMatchObject({ code: 0, stdout: expect.stringMatching(/phase orchestrator ok/) });
});

describe('Docker', () => {
  const docker = workerIn(NAMESPACE, 'worker-docker');
  beforeAll(() => install(docker, WITH_DOCKER));

  it('has a network whose packets the pod does not take', async () => {
    await inWorker(
      docker,
      'docker network create --opt com.docker.network.driver.mtu=9000 oldstack; docker network ls',
    );
    expect(await found('mtu', docker)).toMatch(/pod: 1500\ndocker network oldstack: 9000/);
    await inWorker(docker, 'docker network rm oldstack');
  });

  it('does not answer', async () => {
    await inWorker(docker, 'mv /var/run/docker.sock /var/run/docker.away');
    expect(await found('docker-down', docker)).toContain(`logs.ts ${docker.name} docker`);
  });
});
