/** What people may do who may not do everything. */
import { beforeAll, expect, it } from 'vitest';
import { apply, kubeconfigWith, kubectl } from './cluster.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { command, HELD, listOne, queueOf, readyPod, type TestWorker, workersFile } from './worker.ts';

const NAMESPACE = 'fwc-rbac';
const site = useSite(NAMESPACE);
let worker: TestWorker;

beforeAll(() => {
  ({ worker } = site);
});

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rule = (resource: string, ...verbs: string[]): Rule => ({
  apiGroups: [''],
  resources: [resource],
  verbs,
});

/** A kubeconfig for somebody who may do only what the rules say. */
async function person(name: string, rules: readonly Rule[]): Promise<string> {
  const metadata = { name, namespace: NAMESPACE };
  await apply(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: NAMESPACE }],
    },
  );
  const token = (await kubectl('-n', NAMESPACE, 'create', 'token', name)).trim();
  return kubeconfigWith(name, { token });
}

it('exec but not list: says which verb is missing', async () => {
  const file = workersFile([worker], {
    kubeconfig: await person('exec-only', [rule('pods/exec', 'get', 'create')]),
  });
  const list = await command('list', ['--workers', file]);
  saw('RBAC, exec but not list: list', list);
  expect(list.code).toBe(1);
  const row = await listOne(worker, file);
  expect(row.status).toBe('forbidden');
  expect(row.problems[0]?.next.join()).toContain('verb list on pods');
  const dispatch = await command('dispatch', [worker.name, '-p', 'demo', '-i', '1', '--workers', file]);
  saw('RBAC, exec but not list: dispatch', dispatch);
  expect(dispatch).toMatchObject({ code: 1, stderr: expect.stringContaining('verb list on pods') });
});

it('exec and get, but not list: works where `pod:` names the pod itself', async () => {
  const kubeconfig = await person('exec-and-get', [rule('pods/exec', 'get', 'create'), rule('pods', 'get')]);
  const named = { ...worker, pod: await readyPod(worker) };
  const file = workersFile([named], { kubeconfig });
  expect(await listOne(named, file)).toMatchObject({ status: HELD, code: 0 });
  const dispatch = await command('dispatch', [
    named.name,
    '-p',
    'demo',
    '-i',
    '2',
    '--intent',
    'x',
    '--workers',
    file,
  ]);
  saw('RBAC, get and exec but not list, pod named: dispatch', dispatch);
  expect(dispatch.code).toBe(0);
  expect(await queueOf(worker)).toEqual([2]);
});

it('list but not exec: says which verb is missing', async () => {
  const file = workersFile([worker], {
    kubeconfig: await person('list-only', [rule('pods', 'get', 'list')]),
  });
  const row = await listOne(worker, file);
  expect(row.status).toBe('forbidden');
  expect(row.problems[0]?.next.join()).toMatch(/verb (get|create) on pods\/exec/);
  const dispatch = await command('dispatch', [worker.name, '-p', 'demo', '-i', '3', '--workers', file]);
  saw('RBAC, list but not exec: dispatch', dispatch);
  expect(dispatch.code).toBe(1);
  expect(await queueOf(worker)).not.toContain(3);
});

it('the verbs that the message asks for are enough for every command', async () => {
  const enough = [rule('pods', 'get', 'list'), rule('pods/exec', 'get', 'create')];
  const file = workersFile([worker], { kubeconfig: await person('operator', enough) });
  expect(await listOne(worker, file)).toMatchObject({ status: HELD, code: 0 });
  expect((await command('status', [worker.name, '--workers', file])).code).toBe(0);
  const dispatch = await command('dispatch', [
    worker.name,
    '-p',
    'demo',
    '-i',
    '4',
    '--intent',
    'x',
    '--workers',
    file,
  ]);
  expect(dispatch.code).toBe(0);
});

it('a token that is not valid: unauthorized, and what to do', async () => {
  const file = workersFile([worker], {
    kubeconfig: kubeconfigWith('revoked', { token: 'no-such-token' }),
  });
  const list = await command('list', ['--workers', file]);
  saw('token not valid: list', list);
  expect(await listOne(worker, file)).toMatchObject({ status: 'unauthorized', code: 1 });
  const dispatch = await command('dispatch', [worker.name, '-p', 'demo', '-i', '5', '--workers', file]);
  saw('token not valid: dispatch', dispatch);
  expect(dispatch).toMatchObject({ code: 1, stderr: expect.stringContaining('log in to the cluster again') });
});
