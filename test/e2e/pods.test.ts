/** Faults of the pod: deleted at a bad moment, not scheduled, not pulled, refused. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kubectl, until } from './cluster.ts';
import { killContainer } from './faults.ts';
import { HELD, install, makeNamespace, REGISTRY, removeNamespace, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { attach } from './terminal.ts';
import {
  assertSound,
  deletePod,
  inWorker,
  podsOf,
  queueOf,
  readyPod,
  type TestWorker,
  WITHOUT_GRACE,
} from './worker.ts';

const NAMESPACE = 'fwc-pods';
const { worker, operator } = useSite(NAMESPACE);

describe('the pod is deleted while a dispatch runs', () => {
  // At once, in the middle, and when the row is likely to be there already.
  it.each([
    [101, 0],
    [102, 300],
    [103, 900],
  ])('issue %i, %i ms after the connection began: the answer and the queue agree', async (issue, delay) => {
    const pod = await readyPod(worker);
    const running = operator.startDispatch(worker, issue, '--verbose');
    await until('kubectl exec has started', 60, () => running.output().includes(' exec '));
    await sleep(delay);
    await deletePod(worker, pod, ...WITHOUT_GRACE);
    const answer = await running.answer;
    saw(`pod deleted ${delay} ms into a dispatch`, answer);
    await readyPod(worker, pod);
    const queued = (await queueOf(worker)).includes(issue);
    if (answer.code === 0) {
      expect(queued).toBe(true);
    } else {
      expect(answer).toExitWith(1);
      if (/not queued/.test(answer.stderr)) expect(queued).toBe(false);
      else expect(answer.stderr).toMatch(/it is not known whether|run the same dispatch again|events:/);
    }
    const again = await operator.dispatch(worker, issue);
    expect(again).toExitWith(0);
    expect((await queueOf(worker)).filter((number) => number === issue)).toEqual([issue]);
    await assertSound(worker);
  });
});

describe('the worker goes away while somebody is attached', () => {
  it('pod deleted in good order: the worker ends its sessions, and the operator is told', async () => {
    const pod = await readyPod(worker);
    await inWorker(worker, 'tmux new-session -d -s keep "exec bash --norc"');
    const terminal = attach(operator, worker, '--session', 'keep');
    await terminal.joined('keep');
    await deletePod(worker, pod);
    const screen = await terminal.shows(/\[ended with \d+\]/, 90);
    saw('pod deleted in good order while attached', screen);
    expect(screen).toContain('is going away; waiting to join keep again');
    expect(screen).toContain('keep has ended while the connection was lost');
    await readyPod(worker, pod);
  });

  it('container killed, as the kernel does for want of memory: joins the session of the same name', async () => {
    const before = await queueOf(worker);
    const terminal = attach(operator, worker, '--session', 'orchestrator');
    await terminal.joined('orchestrator');
    const pod = await killContainer(worker);
    await terminal.shows('waiting to join orchestrator again');
    await terminal.joined('orchestrator', 90);
    saw('container killed while attached to orchestrator', terminal.screen());
    // The same pod, and the queue as it was.
    expect(await readyPod(worker)).toBe(pod);
    expect(await queueOf(worker)).toEqual(before);
    await assertSound(worker);
  });

  it('scaled to 0: list says stopped, dispatch says what to do', async () => {
    const before = await queueOf(worker);
    try {
      await kubectl('-n', NAMESPACE, 'scale', 'deployment', worker.pod, '--replicas=0');
      await until('the pod is gone', 120, async () => (await podsOf(worker)).length === 0);
      saw('worker scaled to 0: list', await operator.list());
      expect((await operator.row(worker)).status).toBe('stopped');
      const dispatch = await operator.dispatch(worker, 104);
      saw('worker scaled to 0: dispatch', dispatch);
      expect(dispatch).toMatchObject({ code: 1, stderr: expect.stringContaining('is scaled to 0') });
    } finally {
      await kubectl('-n', NAMESPACE, 'scale', 'deployment', worker.pod, '--replicas=1');
      await readyPod(worker);
    }
    expect(await queueOf(worker)).toEqual(before);
  });
});

describe('there is no container to enter', () => {
  /** What list, status and dispatch say of a worker whose pod does not come up. */
  async function askAll(broken: TestWorker, title: string) {
    const both = Operator.of([broken, worker]);
    const list = await both.list();
    saw(`${title}: list`, list);
    // The other worker is shown all the same.
    expect(list.stdout).toMatch(new RegExp(`worker-1 +factory-worker-1 +${HELD}`));
    const status = await both.status(broken);
    saw(`${title}: status`, status);
    const dispatch = await both.dispatch(broken, 1);
    saw(`${title}: dispatch`, dispatch);
    expect(dispatch).toExitWith(1);
    return { row: await both.row(broken), status, dispatch };
  }

  it('a node out of CPU: pending, with the scheduler’s words', async () => {
    const broken = workerIn(NAMESPACE, 'worker-big');
    const resources = { requests: { cpu: '64' }, limits: { cpu: '64' } };
    await install(broken, { resources }, { wait: false });
    await until('the pod is there', 30, async () => (await podsOf(broken)).length > 0);
    const { row, dispatch } = await askAll(broken, 'node out of CPU');
    expect(row).toMatchObject({ status: 'pending', sessions: null });
    expect(row.problems[0]?.cause).toContain('Insufficient cpu');
    expect(dispatch.stderr).toContain('Insufficient cpu');
  });

  it('an image that cannot be pulled: image-pull, with the registry’s words', async () => {
    const broken = workerIn(NAMESPACE, 'worker-nopull');
    const image = { repository: `${REGISTRY}/nobody`, tag: 'none', pullPolicy: 'Always' };
    await install(broken, { image }, { wait: false });
    const other = Operator.of([broken]);
    await until('the pull has failed', 90, async () => (await other.row(broken)).status === 'image-pull');
    const { row, status } = await askAll(broken, 'image that cannot be pulled');
    expect(row.problems[0]?.cause).toMatch(/ErrImagePull|ImagePullBackOff/);
    expect(status.stdout + status.stderr).toContain(`${REGISTRY}/nobody:none`);
  });

  describe('in a namespace without labels', () => {
    const BARE = 'fwc-bare';
    beforeEach(() => makeNamespace(BARE, {}));
    afterEach(() => removeNamespace(BARE));

    it('a privileged pod is refused: pending, with what refused it', async () => {
      const broken = workerIn(BARE, 'worker-priv');
      const docker = { enabled: true, memoryReserve: '128Mi' };
      await install(broken, { docker }, { wait: false });
      const other = Operator.of([broken]);
      await until('the refusal is known', 60, async () =>
        /PodSecurity/.test((await other.row(broken)).problems[0]?.cause ?? ''),
      );
      const { row, status } = await askAll(broken, 'namespace refuses a privileged pod');
      expect(row.status).toBe('pending');
      expect(row.problems[0]?.cause).toContain('privileged');
      expect(status.stdout + status.stderr).toContain('PodSecurity');
    });

    it('a worker without Docker asks for no privilege, and is taken', async () => {
      const plain = await install(workerIn(BARE, 'worker-plain'));
      const status = await inWorker(plain, 'cat /proc/self/status');
      // The runtime's default set: neither SYS_ADMIN nor NET_ADMIN; and nothing may gain more.
      expect(status).toContain('CapEff:\t00000000a80425fb');
      expect(status).toMatch(/NoNewPrivs:\t1\nSeccomp:\t2/);
      expect(await Operator.of([plain]).row(plain)).toMatchObject({ status: HELD, code: 0 });
    });
  });
});
