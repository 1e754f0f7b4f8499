/** What people may do who may not do everything. */
import { expect, it } from 'vitest';
import { kubeconfigWith } from './cluster.ts';
import { HELD } from './install.ts';
import { Operator } from './operator.ts';
import { makePerson, type Rule, rule } from './person.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { queueOf, readyPod } from './worker.ts';

const { worker } = useSite('fwc-rbac');

/** An operator who may do only what the rules say. @param known the worker, as their workers.yaml has it */
async function person(name: string, rules: readonly Rule[], known = worker): Promise<Operator> {
  return Operator.of([known], { kubeconfig: await makePerson(worker.namespace, name, rules) });
}

it('exec but not list: says which verb is missing', async () => {
  const operator = await person('exec-only', [rule('pods/exec', 'get', 'create')]);
  const list = await operator.list();
  saw('RBAC, exec but not list: list', list);
  expect(list).toExitWith(1);
  const row = await operator.row(worker);
  expect(row.status).toBe('forbidden');
  expect(row.problems[0]?.next.join()).toContain('verb list on pods');
  const dispatch = await operator.dispatch(worker, 1);
  saw('RBAC, exec but not list: dispatch', dispatch);
  expect(dispatch).toMatchObject({ code: 1, stderr: expect.stringContaining('verb list on pods') });
});

it('exec and get, but not list: works where `pod:` names the pod itself', async () => {
  const named = { ...worker, pod: await readyPod(worker) };
  const rules = [rule('pods/exec', 'get', 'create'), rule('pods', 'get')];
  const operator = await person('exec-and-get', rules, named);
  expect(await operator.row(named)).toMatchObject({ status: HELD, code: 0 });
  const dispatch = await operator.dispatch(named, 2);
  saw('RBAC, get and exec but not list, pod named: dispatch', dispatch);
  expect(dispatch).toExitWith(0);
  expect(await queueOf(worker)).toEqual([2]);
});

it('list but not exec: says which verb is missing', async () => {
  const operator = await person('list-only', [rule('pods', 'get', 'list')]);
  const row = await operator.row(worker);
  expect(row.status).toBe('forbidden');
  expect(row.problems[0]?.next.join()).toMatch(/verb (get|create) on pods\/exec/);
  const dispatch = await operator.dispatch(worker, 3);
  saw('RBAC, list but not exec: dispatch', dispatch);
  expect(dispatch).toExitWith(1);
  expect(await queueOf(worker)).not.toContain(3);
});

it('the verbs that the messages ask for are enough for list, status and dispatch', async () => {
  const enough = [rule('pods', 'get', 'list'), rule('pods/exec', 'get', 'create')];
  const operator = await person('operator', enough);
  expect(await operator.row(worker)).toMatchObject({ status: HELD, code: 0 });
  expect(await operator.status(worker)).toExitWith(0);
  expect(await operator.dispatch(worker, 4)).toExitWith(0);
});

it('a token that is not valid: unauthorized, and what to do', async () => {
  const operator = Operator.of([worker], {
    kubeconfig: kubeconfigWith('revoked', { token: 'no-such-token' }),
  });
  const list = await operator.list();
  saw('token not valid: list', list);
  expect(await operator.row(worker)).toMatchObject({ status: 'unauthorized', code: 1 });
  const dispatch = await operator.dispatch(worker, 5);
  saw('token not valid: dispatch', dispatch);
  expect(dispatch).toMatchObject({ code: 1, stderr: expect.stringContaining('log in to the cluster again') });
});
