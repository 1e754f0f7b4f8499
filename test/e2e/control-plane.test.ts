/** The control plane or the node's kubelet does not answer. */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { kubectl, until } from './cluster.ts';
import { useCrew } from './crew.ts';
import { explained } from './explain.ts';
import { NODE, service, shortOfMemory, without } from './faults.ts';
import { HELD } from './install.ts';
import { BY_KUBECTL, Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { attach } from './terminal.ts';
import { assertSound, deletePod, getPod, inWorker, queueOf, readyPod, type TestWorker } from './worker.ts';

const { worker, operator } = useSite('fwc-control');
/** At work meanwhile. */
const crew = useCrew('fwc-control-crew');

describe.each([
  ['freeze', 'frozen'],
  ['stop', 'gone'],
] as const)('the API server is %s', (action, word) => {
  it(`${word}: each command ends in its time with one sentence`, async () => {
    const askAll = async () => {
      const list = await operator.list('--timeout', '4s');
      saw(`API server ${word}: list --timeout 4s`, list);
      expect(list).toExitWith(1);
      expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +unreachable/);
      // Its own time-out, and what starting Node costs on a busy machine.
      expect(list.seconds).toBeLessThan(25);
      const status = await operator.status(worker, '--timeout', '4s');
      saw(`API server ${word}: status --timeout 4s`, status);
      expect(status).not.toExitWith(0);
      const dispatch = await operator.dispatch(worker, 31, '--timeout', '4s');
      saw(`API server ${word}: dispatch --timeout 4s`, dispatch);
      expect(dispatch).toExitWith(1, 124);
      expect(dispatch.stderr).toContain('/readyz');
    };
    await crew.interrupted(`API server ${word}`, () => without(action, 'kube-apiserver', askAll));
    expect(await queueOf(worker)).not.toContain(31);
  });
});

describe.skipIf(BY_KUBECTL)('a connection that is kept for the next command', () => {
  const keeping = Operator.of([worker], { keepConnection: '1m' });
  let folder = '';
  // Its proxy ends when its folder has gone.
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Whether a command has found it. */
  async function found(): Promise<boolean> {
    const answer = await keeping.list('--verbose', '--timeout', '10s');
    const [, socket] = /^\+ proxy: kept (.*)$/m.exec(answer.stderr) ?? [];
    if (socket !== undefined) folder = dirname(socket);
    saw('list with a kept connection', answer);
    expect(answer).toExitWith(0);
    return socket !== undefined;
  }

  it('is found by it, also after the API server was gone', async () => {
    expect(await found()).toBe(false);
    expect(await found()).toBe(true);
    await without('stop', 'kube-apiserver', async () => {
      const list = await keeping.list('--timeout', '4s');
      expect(list).toExitWith(1);
      expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +unreachable/);
    });
    await found();
    expect(await found()).toBe(true);
    // What changes something goes over it, too, and only once.
    expect(await keeping.dispatch(worker, 61)).toExitWith(0);
    expect((await queueOf(worker)).filter((issue) => issue === 61)).toHaveLength(1);
  });
});

describe('the API server freezes in the middle', () => {
  it('of a dispatch: once it is back, the answer says which of the two happened', async () => {
    const running = operator.startDispatch(worker, 41, '--timeout', '30s', '--verbose');
    await until('kubectl exec has started', 60, () => running.output().includes(' exec '));
    await without('freeze', 'kube-apiserver', () => sleep(8_000));
    const answer = await running.answer;
    saw('API server frozen for 8 s during a dispatch', answer);
    expect((await queueOf(worker)).includes(41)).toBe(answer.code === 0);
    await assertSound(worker);
  });

  it('of an attachment: the keys typed meanwhile arrive, or it joins again', async () => {
    await inWorker(worker, 'tmux new-session -d -s ice "exec bash --norc"');
    const terminal = attach(operator, worker, '--session', 'ice');
    await terminal.joined('ice');
    await without('freeze', 'kube-apiserver', () => sleep(5_000));
    terminal.enter('echo thawed $((6 * 7))');
    saw('API server frozen for 5 s while attached', await terminal.shows('thawed 42', 90));
  });

  it('its end and return during an attachment: it joins again', async () => {
    await inWorker(worker, 'tmux new-session -d -s fire "exec bash --norc"');
    const terminal = attach(operator, worker, '--session', 'fire');
    await terminal.joined('fire');
    await without('stop', 'kube-apiserver', () => terminal.shows('waiting to join fire again', 30));
    await terminal.joined('fire');
    terminal.enter('echo back $((6 * 7))');
    saw('API server gone and back while attached', await terminal.shows('back 42', 60));
    // The client of before the end does not hold the window's size.
    const clients = 'tmux list-clients -t fire | wc -l';
    await until('one client is left', 20, async () => (await inWorker(worker, clients)) === '1\n');
  });
});

describe('the kubelet', () => {
  it('is stopped: the worker is shown with the cause, its sessions go on, and it comes back by itself', async () => {
    await inWorker(worker, 'tmux new-session -d -s works "while sleep 1; do date +%s; done"');
    const pod = await readyPod(worker);
    const askAll = async () => {
      const list = await operator.list('--timeout', '10s');
      saw('kubelet stopped: list', list);
      expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +(unreachable|node-lost)/);
      const status = await operator.status(worker, '--timeout', '10s');
      saw('kubelet stopped: status', status);
      expect(status).not.toExitWith(0);
      const dispatch = await operator.dispatch(worker, 51, '--timeout', '10s');
      saw('kubelet stopped: dispatch', dispatch);
      expect(dispatch).toExitWith(1);
      // The node's lease runs out.
      const lost = await until('the node counts as lost', 90, async () => {
        const row = await operator.row(worker, '--timeout', '10s');
        return row.status === 'node-lost' && row;
      });
      expect(lost.code).toBe(1);
      saw('kubelet stopped, the node NotReady: list', await operator.list('--timeout', '10s'));
      const flags = ['--timeout', '10s'];
      expect(await explained(worker, 'node-not-ready', { flags })).toMatch(/NodeStatusUnknown[\s\S]*--force/);
      await kubectl('cordon', NODE);
      expect(await explained(worker, 'node-cordoned', { flags })).toContain(`uncordon ${NODE}`);
      await kubectl('uncordon', NODE);
      // Set in the kubelet's place, which takes it back once it is there again.
      const pressure = { type: 'DiskPressure', status: 'True', message: 'kubelet has disk pressure' };
      const patch = JSON.stringify({ status: { conditions: [pressure] } });
      await kubectl('patch', 'node', NODE, '--subresource=status', `--patch=${patch}`);
      expect(await explained(worker, 'node-pressure', { flags })).toContain(`spec.nodeName=${NODE}`);
    };
    await crew.interrupted('kubelet stopped', () => without('stop', 'kubelet', askAll));
    expect(await readyPod(worker)).toBe(pod);
    await until('the worker is shown as before', 30, async () => {
      const row = await operator.row(worker);
      return row.status === HELD && row.sessions?.includes('works');
    });
    expect(await queueOf(worker)).not.toContain(51);
  });

  it('and its node are gone, the pod is deleted: Terminating for ever, shown as node-lost with what helps', async () => {
    expect(await operator.dispatch(worker, 61)).toExitWith(0);
    const pod = await readyPod(worker);
    const pods = new Map<TestWorker, string>();
    await crew.each(async (one) => pods.set(one, await readyPod(one)));
    const deleteAndAsk = async () => {
      await until(
        'the node counts as lost',
        60,
        async () => (await operator.row(worker)).status === 'node-lost',
      );
      await deletePod(worker, pod);
      await crew.each((one) => deletePod(one, pods.get(one) ?? ''));
      const row = await operator.row(worker, '--timeout', '10s');
      expect(row).toMatchObject({ status: 'node-lost', code: 1 });
      const status = await operator.status(worker, '--timeout', '10s');
      saw('node gone, its pod deleted: status', status);
      expect(status.stdout + status.stderr).toMatch(/kubectl .*fwc-node/);
    };
    await crew.interrupted('node gone', () => without('stop', 'kubelet', deleteAndAsk));
    // The kubelet, once back, ends what it was told to end.
    await readyPod(worker, pod);
    expect(await queueOf(worker)).toContain(61);
    await assertSound(worker);
  });

  it('and its node are gone, also from the list of nodes: why says so', async () => {
    await without('stop', 'kubelet', async () => {
      await kubectl('delete', 'node', NODE);
      expect(await explained(worker, 'node-gone', { flags: ['--timeout', '10s'] })).toContain(
        `kubectl get node ${NODE}: not found`,
      );
    });
    await readyPod(worker);
    await assertSound(worker);
  });

  it('is frozen: dispatch gives up in its time, and says so', async () => {
    await without('freeze', 'kubelet', async () => {
      const dispatch = await operator.dispatch(worker, 52, '--timeout', '5s');
      saw('kubelet frozen: dispatch --timeout 5s', dispatch);
      expect(dispatch).toExitWith(1, 124);
      expect(dispatch.stderr).toMatch(/run the same dispatch again|test: kubectl/);
    });
    // Its node counted as lost for a while; then its pod is Ready again only once the kubelet has said so.
    await readyPod(worker);
    // What reached the kubelet may still run there; withdrawn or not, it is there at most once.
    const again = await operator.dispatch(worker, 52);
    expect(again).toExitWith(0);
    expect((await queueOf(worker)).filter((issue) => issue === 52)).toEqual([52]);
    await assertSound(worker);
  });
});

describe('a node short of memory', () => {
  it('evicts who uses more than was asked for; why says so, and it serves again', async () => {
    expect(await operator.dispatch(worker, 71)).toExitWith(0);
    const pod = await readyPod(worker);
    await inWorker(
      worker,
      'tmux new-session -d -s hog "head --bytes 400M /dev/zero | tail --bytes 400M | sleep 600"',
    );
    const askWhy = async () => {
      const { status } = await until('the pod is evicted', 90, async () => {
        const found = await getPod(worker, pod);
        return ['Succeeded', 'Failed'].includes(found.status.phase) && found;
      });
      saw('eviction for memory: what is left of the pod', JSON.stringify(status, null, 1));
      const flags = ['--timeout', '10s'];
      expect(await explained(worker, 'evicted-memory', { flags })).toMatch(
        /low on resource: memory[\s\S]*--set resources\.requests\.memory=\d{3}Mi/,
      );
      // Its successor finds no node meanwhile.
      expect(await explained(worker, 'unscheduled', { flags })).toContain(
        'node.kubernetes.io/memory-pressure',
      );
    };
    await crew.interrupted('eviction for memory', () => shortOfMemory(askWhy));
    await readyPod(worker, pod);
    expect(await queueOf(worker)).toContain(71);
    await assertSound(worker);
  });
});

it('what was at work during all that finishes by itself, each issue once', () => crew.finishes());

afterAll(() => {
  // A test that was cut off by its time limit must not leave the next file without a control plane.
  for (const name of ['kube-apiserver', 'kubelet'] as const) {
    service('start', name);
    service('thaw', name);
  }
});
