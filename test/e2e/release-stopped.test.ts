/** Releases and rollbacks of a worker that is stopped: nothing starts it but `start`. */
import { beforeAll, expect, it, vi } from 'vitest';
import { getObject, kubectl } from './cluster.ts';
import { assertServes, rollout, useRelease } from './releasing.ts';
import { saw } from './seen.ts';
import { podsOf } from './worker.ts';

// Releases and what they wait for, on a machine that does other things as well.
vi.setConfig({ testTimeout: 600_000 });

const NAMESPACE = 'fwc-release-stopped';
const site = useRelease(NAMESPACE);
const { worker, operator } = site;
beforeAll(async () => {
  expect(await operator.type(...rollout(site.images.two, 'one'))).toExitWith(0);
  expect(await operator.type('stop', 'one')).toExitWith(0);
});

interface Deployment {
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
  };
}

/** The worker is stopped, and has this image for its next start. */
async function expectStopped(image: string): Promise<void> {
  const { spec } = await getObject<Deployment>(NAMESPACE, 'deployment', worker.pod);
  expect([spec.replicas, spec.template.spec.containers[0]?.image]).toEqual([0, image]);
  expect(await podsOf(worker)).toEqual([]);
}

const rollback = () => operator.type('rollback', 'one', '--yes');
const nextStart = (image: string) =>
  expect.stringContaining(`one: is stopped; its next start runs ${image.slice(0, -52)}`);

it('a rollback that would start it is refused, and says what to type', async () => {
  const answer = await rollback();
  saw('rollback of a stopped worker', answer);
  expect(answer).toExitWith(1);
  expect(answer.stderr).toMatch(
    /nothing was touched: one is stopped, and going back to revision 1 would start it\n.*start one .*\n.*--image /,
  );
  await expectStopped(site.images.two);
});

it('it is given the image alone, and stays stopped', async () => {
  const answer = await operator.type(...rollout(site.images.one, 'one'));
  saw('a release of a stopped worker', answer);
  expect(answer).toExitWith(0);
  expect(answer.stdout).toEqual(nextStart(site.images.one));
  await expectStopped(site.images.one);
});

it('back to a revision in which it was stopped, too', async () => {
  const answer = await rollback();
  saw('rollback of a stopped worker, to a revision in which it was', answer);
  expect(answer).toExitWith(0);
  expect(answer.stdout).toEqual(nextStart(site.images.two));
  await expectStopped(site.images.two);
  expect(await operator.type('start', 'one')).toExitWith(0);
  await assertServes(worker, site.images.two);
});

it('nor is one started that was scaled to 0 by hand', async () => {
  await kubectl('-n', NAMESPACE, 'scale', 'deployment', worker.pod, '--replicas=0');
  await kubectl('-n', NAMESPACE, 'wait', '--for=delete', 'pod', '--all', '--timeout=120s');
  const answer = await operator.type('rollback', 'one', '--revision', '1', '--yes');
  expect(answer).toExitWith(1);
  expect(answer.stderr).toContain('going back to revision 1 would start it');
  await expectStopped(site.images.two);
});
