/** Faults of the pod: deleted at a bad moment, not scheduled, not pulled, refused. */
import { beforeAll, describe, expect, it } from 'vitest';
import { getObject, killContainer, kubectl, until } from './cluster.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { Terminal } from './terminal.ts';
import {
  assertSound,
  command,
  commandArgv,
  HELD,
  installWorker,
  inWorker,
  listOne,
  makeNamespace,
  operatorEnv,
  type PodObject,
  podsOf,
  queueOf,
  readyPod,
  removeNamespace,
  type TestWorker,
  workersFile,
} from './worker.ts';

const NAMESPACE = 'fwc-pods';
const site = useSite(NAMESPACE);
let worker: TestWorker;
let file: string;

beforeAll(() => {
  ({ worker, file } = site);
});

describe('the pod is deleted while a dispatch runs', () => {
  // At once, in the middle, and when the row is likely to be there already.
  it.each([
    [101, 0],
    [102, 300],
    [103, 900],
  ])('issue %i, %i ms after the connection began: the answer and the queue agree', async (issue, delay) => {
    const pod = await readyPod(worker);
    const running = site.startDispatch(issue, '--verbose');
    await until('kubectl exec has started', 60, () => running.output().includes(' exec '));
    await new Promise((resolve) => setTimeout(resolve, delay));
    await kubectl('-n', NAMESPACE, 'delete', 'pod', pod, '--grace-period=0', '--force', '--wait=false');
    const answer = await running.answer;
    saw(`pod deleted ${delay} ms into a dispatch`, answer);
    await readyPod(worker, pod);
    const queued = (await queueOf(worker)).includes(issue);
    if (answer.code === 0) {
      expect(queued).toBe(true);
    } else {
      expect(answer.code).toBe(1);
      if (/not queued/.test(answer.stderr)) expect(queued).toBe(false);
      else expect(answer.stderr).toMatch(/it is not known whether|type the same dispatch again|events:/);
    }
    const again = await site.dispatch(issue);
    expect(again.code).toBe(0);
    expect((await queueOf(worker)).filter((number) => number === issue)).toEqual([issue]);
    await assertSound(worker);
  });
});

describe('the worker goes away while somebody is attached', () => {
  const attach = (session: string) =>
    new Terminal(
      commandArgv('attach', [worker.name, '--session', session, '--workers', file]),
      operatorEnv(),
    );

  it('pod deleted in good order: the worker ends its sessions, and the operator is told', async () => {
    const pod = await readyPod(worker);
    await inWorker(worker, 'tmux new-session -d -s keep "exec bash --norc"');
    const terminal = attach('keep');
    try {
      await terminal.joined('keep');
      await kubectl('-n', NAMESPACE, 'delete', 'pod', pod, '--wait=false');
      const screen = await terminal.shows(/\[ended with \d+\]/, 90);
      saw('pod deleted in good order while attached', screen);
      expect(screen).toContain('is going away; waiting to join keep again');
      expect(screen).toContain('keep has ended while the connection was lost');
      await readyPod(worker, pod);
    } finally {
      terminal.close();
    }
  });

  it('container killed, as the kernel does for want of memory: joins the session of the same name, or says it is gone', async () => {
    const pod = await readyPod(worker);
    const before = await queueOf(worker);
    const terminal = attach('orchestrator');
    try {
      await terminal.joined('orchestrator');
      killContainer((await getObject<PodObject>(NAMESPACE, 'pod', pod)).metadata.uid);
      await terminal.shows('waiting to join orchestrator again');
      const screen = await until('it has joined, or given up', 90, async () => {
        if (terminal.screen().includes('[ended with')) return terminal.screen();
        await terminal.joined('orchestrator', 1);
        return terminal.screen();
      });
      saw('container killed while attached to orchestrator', screen);
      if (screen.includes('[ended with')) {
        expect(screen).toContain('orchestrator has ended while the connection was lost');
      }
      // The same pod, one restart, and the queue as it was.
      expect(await readyPod(worker)).toBe(pod);
      expect(await queueOf(worker)).toEqual(before);
      await assertSound(worker);
    } finally {
      terminal.close();
    }
  });

  it('scaled to 0: list says stopped, dispatch says what to do', async () => {
    const before = await queueOf(worker);
    try {
      await kubectl('-n', NAMESPACE, 'scale', 'deployment', worker.pod, '--replicas=0');
      await until('the pod is gone', 120, async () => (await podsOf(worker)).length === 0);
      saw('worker scaled to 0: list', await command('list', ['--workers', file]));
      expect((await listOne(worker, file)).status).toBe('stopped');
      const dispatch = await site.dispatch(104);
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
    const workers = workersFile([broken, worker]);
    const list = await command('list', ['--workers', workers]);
    saw(`${title}: list`, list);
    // The other worker is shown all the same.
    expect(list.stdout).toMatch(new RegExp(`worker-1 +factory-worker-1 +${HELD}`));
    const status = await command('status', [broken.name, '--workers', workers]);
    saw(`${title}: status`, status);
    const dispatch = await command('dispatch', [broken.name, '-p', 'demo', '-i', '1', '--workers', workers]);
    saw(`${title}: dispatch`, dispatch);
    expect(dispatch.code).toBe(1);
    return { row: await listOne(broken, workers), status, dispatch };
  }

  it('a node out of CPU: pending, with the scheduler’s words', async () => {
    const broken = await installWorker(
      NAMESPACE,
      'worker-big',
      { resources: { requests: { cpu: '64' }, limits: { cpu: '64' } } },
      { wait: false },
    );
    await until('the pod is there', 30, async () => (await podsOf(broken)).length > 0);
    const { row, dispatch } = await askAll(broken, 'node out of CPU');
    expect(row).toMatchObject({ status: 'pending', sessions: null });
    expect(row.problems[0]?.cause).toContain('Insufficient cpu');
    expect(dispatch.stderr).toContain('Insufficient cpu');
  });

  it('an image that cannot be pulled: image-pull, with the registry’s words', async () => {
    const image = { repository: 'localhost:5213/nobody', tag: 'none', pullPolicy: 'Always' };
    const broken = await installWorker(NAMESPACE, 'worker-nopull', { image }, { wait: false });
    await until(
      'the pull has failed',
      90,
      async () => (await listOne(broken, workersFile([broken]))).status === 'image-pull',
    );
    const { row, status } = await askAll(broken, 'image that cannot be pulled');
    expect(row.problems[0]?.cause).toMatch(/ErrImagePull|ImagePullBackOff/);
    expect(status.stdout + status.stderr).toContain('localhost:5213/nobody:none');
  });

  it('a namespace without labels refuses a privileged pod: pending, with what refused it', async () => {
    const bare = 'fwc-bare';
    await makeNamespace(bare, {});
    try {
      const broken = await installWorker(
        bare,
        'worker-priv',
        { docker: { enabled: true, memoryReserve: '128Mi' } },
        { wait: false },
      );
      await until('the refusal is known', 60, async () =>
        /PodSecurity/.test((await listOne(broken, workersFile([broken]))).problems[0]?.cause ?? ''),
      );
      const { row, status } = await askAll(broken, 'namespace refuses a privileged pod');
      expect(row.status).toBe('pending');
      expect(row.problems[0]?.cause).toContain('privileged');
      expect(status.stdout + status.stderr).toContain('PodSecurity');
    } finally {
      await removeNamespace(bare);
    }
  });

  it('a worker without Docker asks for no privilege, so that a namespace without labels takes it', async () => {
    const bare = 'fwc-plain';
    await makeNamespace(bare, {});
    try {
      const plain = await installWorker(bare, 'worker-plain');
      const status = await inWorker(plain, 'cat /proc/self/status');
      // The runtime's default set: neither SYS_ADMIN nor NET_ADMIN; and nothing may gain more.
      expect(status).toContain('CapEff:\t00000000a80425fb');
      expect(status).toMatch(/NoNewPrivs:\t1\nSeccomp:\t2/);
      expect(await listOne(plain, workersFile([plain]))).toMatchObject({ status: HELD, code: 0 });
    } finally {
      await removeNamespace(bare);
    }
  });
});
