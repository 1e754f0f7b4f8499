/** The control plane or the node's kubelet does not answer. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, service, until, without } from './cluster.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { Terminal } from './terminal.ts';
import {
  assertSound,
  command,
  commandArgv,
  HELD,
  inWorker,
  listOne,
  operatorEnv,
  queueOf,
  readyPod,
  type TestWorker,
} from './worker.ts';

const NAMESPACE = 'fwc-control';
const site = useSite(NAMESPACE);
let worker: TestWorker;
let file: string;

beforeAll(() => {
  ({ worker, file } = site);
});

describe.each([
  ['freeze', 'frozen'],
  ['stop', 'gone'],
] as const)('the API server is %s', (action, word) => {
  it(`${word}: each command ends in its time with one sentence`, async () => {
    await without(action, 'kube-apiserver', async () => {
      const list = await command('list', ['--workers', file, '--timeout', '4s']);
      saw(`API server ${word}: list --timeout 4s`, list);
      expect(list.code).toBe(1);
      expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +unreachable/);
      // Its own time-out, and what starting Node costs on a busy machine.
      expect(list.seconds).toBeLessThan(25);
      const status = await command('status', [worker.name, '--workers', file, '--timeout', '4s']);
      saw(`API server ${word}: status --timeout 4s`, status);
      expect(status.code).not.toBe(0);
      const dispatch = await site.dispatch(31, '--timeout', '4s');
      saw(`API server ${word}: dispatch --timeout 4s`, dispatch);
      expect([1, 124]).toContain(dispatch.code);
      expect(dispatch.stderr).toContain('/readyz');
    });
    expect(await queueOf(worker)).not.toContain(31);
  });
});

describe('the API server freezes in the middle', () => {
  it('of a dispatch: once it is back, the answer says which of the two happened', async () => {
    const running = site.startDispatch(41, '--timeout', '30s', '--verbose');
    const answer = await (async () => {
      await until('kubectl exec has started', 60, () => running.output().includes(' exec '));
      return without(
        'freeze',
        'kube-apiserver',
        () => new Promise((resolve) => setTimeout(resolve, 8_000)),
      ).then(() => running.answer);
    })();
    saw('API server frozen for 8 s during a dispatch', answer);
    expect((await queueOf(worker)).includes(41)).toBe(answer.code === 0);
    await assertSound(worker);
  });

  it('of an attachment: the keys typed meanwhile arrive, or it joins again', async () => {
    await inWorker(worker, 'tmux new-session -d -s ice "exec bash --norc"');
    const terminal = new Terminal(
      commandArgv('attach', [worker.name, '--session', 'ice', '--workers', file]),
      operatorEnv(),
    );
    try {
      await terminal.joined('ice');
      await without('freeze', 'kube-apiserver', () => new Promise((resolve) => setTimeout(resolve, 5_000)));
      terminal.type('echo thawed $((6 * 7))');
      terminal.press('Enter');
      saw('API server frozen for 5 s while attached', await terminal.shows('thawed 42', 90));
    } finally {
      terminal.close();
    }
  });

  it('its end and return during an attachment: it joins again', async () => {
    await inWorker(worker, 'tmux new-session -d -s fire "exec bash --norc"');
    const terminal = new Terminal(
      commandArgv('attach', [worker.name, '--session', 'fire', '--workers', file]),
      operatorEnv(),
    );
    try {
      await terminal.joined('fire');
      await without('stop', 'kube-apiserver', () => terminal.shows('waiting to join fire again', 30));
      await terminal.joined('fire');
      terminal.type('echo back $((6 * 7))');
      terminal.press('Enter');
      saw('API server gone and back while attached', await terminal.shows('back 42', 60));
      // The client of before the end does not hold the window's size.
      await until(
        'one client is left',
        20,
        async () => (await inWorker(worker, 'tmux list-clients -t fire | wc -l')) === '1\n',
      );
    } finally {
      terminal.close();
    }
  });
});

describe('the kubelet', () => {
  it('is stopped: the worker is shown with the cause, its sessions go on, and it comes back by itself', async () => {
    await inWorker(worker, 'tmux new-session -d -s works "while sleep 1; do date +%s; done"');
    const pod = await readyPod(worker);
    await without('stop', 'kubelet', async () => {
      const list = await command('list', ['--workers', file, '--timeout', '10s']);
      saw('kubelet stopped: list', list);
      const status = await command('status', [worker.name, '--workers', file, '--timeout', '10s']);
      saw('kubelet stopped: status', status);
      expect(status.code).not.toBe(0);
      const dispatch = await site.dispatch(51, '--timeout', '10s');
      saw('kubelet stopped: dispatch', dispatch);
      expect(dispatch.code).toBe(1);
      // The node's lease runs out.
      const lost = await until('the cluster has noticed', 90, async () => {
        const row = await listOne(worker, file, '--timeout', '10s');
        return row.problems[0] === undefined ? undefined : row;
      });
      expect(lost.code).toBe(1);
      saw(
        'kubelet stopped, the node NotReady: list',
        await command('list', ['--workers', file, '--timeout', '10s']),
      );
    });
    expect(await readyPod(worker)).toBe(pod);
    await until('the worker is shown as before', 30, async () => {
      const row = await listOne(worker, file);
      return row.status === HELD && row.sessions?.includes('works');
    });
    expect(await queueOf(worker)).not.toContain(51);
  });

  it('and its node are gone, the pod is deleted: Terminating for ever, shown as node-lost with what helps', async () => {
    expect((await site.dispatch(61)).code).toBe(0);
    const pod = await readyPod(worker);
    await without('stop', 'kubelet', async () => {
      await until(
        'the node counts as lost',
        60,
        async () => (await listOne(worker, file)).status === 'node-lost',
      );
      await kubectl('-n', worker.namespace, 'delete', 'pod', pod, '--wait=false');
      const row = await listOne(worker, file, '--timeout', '10s');
      expect(row).toMatchObject({ status: 'node-lost', code: 1 });
      const status = await site.status('--timeout', '10s');
      saw('node gone, its pod deleted: status', status);
      expect(status.stdout + status.stderr).toMatch(/kubectl .*fwc-node/);
    });
    // The kubelet, once back, ends what it was told to end.
    await readyPod(worker, pod);
    expect(await queueOf(worker)).toContain(61);
    await assertSound(worker);
  });

  it('is frozen: dispatch gives up in its time, and says so', async () => {
    await readyPod(worker);
    await without('freeze', 'kubelet', async () => {
      const dispatch = await site.dispatch(52, '--timeout', '5s');
      saw('kubelet frozen: dispatch --timeout 5s', dispatch);
      expect([1, 124]).toContain(dispatch.code);
      expect(dispatch.stderr).toMatch(/type the same dispatch again|test: kubectl/);
    });
    // What reached the kubelet may still run there; withdrawn or not, it is there at most once.
    const again = await site.dispatch(52);
    expect(again.code).toBe(0);
    expect((await queueOf(worker)).filter((issue) => issue === 52)).toEqual([52]);
    await assertSound(worker);
  });
});

afterAll(() => {
  // A test that was cut off by its time limit must not leave the next file without a control plane.
  for (const name of ['kube-apiserver', 'kubelet'] as const) {
    service('start', name);
    service('thaw', name);
  }
});
