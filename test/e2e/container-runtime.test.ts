/**
 * The container runtime of the node, containerd, is stopped. A stream that goes through it is cut, and kubectl ends with 0 and
 * says nothing (Kubernetes 1.34 and 1.37): only what the commands put around their answers tells a part from the whole.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lastRecord, reached } from '../release/operator.ts';
import { kubectl, SCRATCH, until } from './cluster.ts';
import { useCrew } from './crew.ts';
import { explained } from './explain.ts';
import { service, without } from './faults.ts';
import { freePort } from './free-port.ts';
import type { Answer, Running } from './operator.ts';
import { assertServes, otherImage, rollout, useRelease } from './releasing.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import { attach } from './terminal.ts';
import { assertSound, atWork, holdAgents, inWorker, letAgentsGoOn, queueOf, readyPod } from './worker.ts';

const { worker, operator } = useSite('fwc-runtime');
/** At work meanwhile. */
const crew = useCrew('fwc-runtime-crew');
const folder = join(SCRATCH, 'container-runtime');

beforeAll(() => void mkdirSync(folder, { recursive: true }));
afterAll(() => {
  // A test that was cut off by its time limit must not leave the next file without it.
  service('start', 'containerd');
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a test while containerd is stopped; afterwards the node runs commands again. */
async function stopped<T>(test: () => Promise<T>): Promise<T> {
  const result = await without('stop', 'containerd', test);
  await until('its node runs commands again', 60, () => inWorker(worker, 'echo yes'));
  return result;
}

/** Stops containerd once a command has got so far, until it has ended. @returns how it ended */
async function cutAmid(running: Running, begun: () => Promise<unknown> | boolean): Promise<Answer> {
  await until('it has begun', 60, async () => Boolean(await begun()));
  return stopped(() => running.answer);
}

/** Whether a program runs in the worker. What a cut connection has begun goes on there. @param line its command line's beginning */
const runs = (line: string) => inWorker(worker, `pgrep --full '^${line}'`);

describe('is stopped in mid-stream', () => {
  it('kubectl reports success: the reason for frames and trailers', async () => {
    const pod = await readyPod(worker);
    const script = 'exec -a long sleep 40; echo whole';
    const cut = kubectl('-n', worker.namespace, 'exec', pod, '--', 'bash', '-c', script);
    await until('it has begun', 30, () => inWorker(worker, 'pgrep --full "^long 40"'));
    expect(await stopped(() => cut)).toBe('');
  });

  it('exec: the connection broke', async () => {
    const script = 'echo begun; sleep 40; echo whole';
    const running = operator.start('exec', worker.name, '--', 'bash', '-c', script);
    const cut = await cutAmid(running, () => running.output().includes('begun'));
    saw('containerd stopped during exec', cut);
    expect(cut).toExitWith(1);
    expect(cut.stdout).toBe('begun\n');
    expect(cut.stderr).toContain('broke before the program had ended; what was printed may be incomplete');
  });

  it('cp out of the worker: nothing is left behind', async () => {
    await inWorker(worker, 'truncate -s 3G /root/zeros');
    const running = operator.start('cp', `${worker.name}:zeros`, join(folder, 'zeros'));
    const cut = await cutAmid(running, () => runs('tar --create'));
    saw('containerd stopped during cp out of a worker', cut);
    expect(cut).toExitWith(1);
    expect(cut.stderr).toMatch(/the connection to worker-1 broke.*nothing was changed/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('cp into the worker: nothing is put in place', async () => {
    const big = join(folder, 'big');
    execFileSync('truncate', ['-s', '3G', big]);
    const running = operator.start('cp', big, `${worker.name}:big`);
    const cut = await cutAmid(running, () => runs('tar --extract'));
    rmSync(big);
    saw('containerd stopped during cp into a worker', cut);
    expect(cut).toExitWith(1);
    expect(cut.stderr).toMatch(/the connection to worker-1 broke.*nothing was changed/);
    expect(await inWorker(worker, 'ls /root')).not.toMatch(/^big$/m);
  });

  it('backup: no file, and typed again it is whole', async () => {
    await inWorker(
      worker,
      'mkdir -p /root/.factory/pipelines/big && head --bytes 100M /dev/urandom >/root/.factory/pipelines/big/file',
    );
    const file = join(folder, 'backup.tar.gz');
    const running = operator.start('backup', worker.name, file);
    // In the middle of its making, or of the copy.
    const cut = await cutAmid(running, () => runs('gzip'));
    saw('containerd stopped during backup', cut);
    expect(cut).toExitWith(1);
    expect(cut.stderr).toMatch(
      /the connection to worker-1 broke|container runtime of its node does not answer/,
    );
    expect(existsSync(file)).toBe(false);
    const again = await operator.type('backup', worker.name, file);
    expect(again).toExitWith(0);
    execFileSync('gzip', ['--test', file]);
    await inWorker(worker, 'rm -r /root/.factory/pipelines/big');
  });

  it('logs -f: goes on where it was, without a gap and without a line twice', async () => {
    // Slower than the recorder waits for more of a line that may hold a token.
    const count = 'n=0; while sleep 2; do echo line-$((n += 1)); done';
    await inWorker(worker, `tmux new-session -d -s 7-qa-1 '${count}'`);
    const running = operator.start('logs', worker.name, '7-qa-1', '--follow', '--lines', 'all');
    const numbers = () =>
      [...running.output().matchAll(/^line-(\d+)$/gm)].map(([, number]) => Number(number));
    await until('it follows', 60, () => numbers().length > 3);
    await stopped(() => until('it waits', 30, () => running.output().includes('waiting to go on')));
    const before = numbers().length;
    await until('it goes on', 60, () => numbers().length > before + 10);
    running.child.kill('SIGINT');
    const answer = await running.answer;
    saw('containerd stopped during logs -f', answer);
    expect(answer).toExitWith(130);
    expect(numbers()).toEqual(numbers().map((_, index) => index + 1));
    await inWorker(worker, 'tmux kill-session -t =7-qa-1');
  });

  it('port-forward: the same local port again', async () => {
    await inWorker(
      worker,
      `setsid node -e 'require("http").createServer((_, r) => r.end("served")).listen(3000)' >/dev/null 2>&1 &
       until (: </dev/tcp/localhost/3000) 2>/dev/null; do sleep 0.1; done`,
    );
    const port = await freePort();
    const running = operator.start('port-forward', worker.name, `${port}:3000`);
    const ask = () =>
      fetch(`http://localhost:${port}`, { signal: AbortSignal.timeout(3_000) }).then((answer) =>
        answer.text(),
      );
    expect(await until('an answer', 30, ask)).toBe('served');
    await stopped(() => sleep(5_000));
    expect(await until('an answer again', 60, ask)).toBe('served');
    running.child.kill('SIGINT');
    const answer = await running.answer;
    saw('containerd stopped during port-forward', answer);
    expect(answer).toExitWith(130);
  });

  it('attach: it joins again', async () => {
    await inWorker(worker, 'tmux new-session -d -s rope "exec bash --norc"');
    const terminal = attach(operator, worker, '--session', 'rope');
    await terminal.joined('rope');
    await stopped(() => terminal.shows('waiting to join rope again', 30));
    await terminal.joined('rope');
    terminal.enter('echo back $((6 * 7))');
    saw('containerd stopped while attached', await terminal.shows('back 42', 60));
  });

  it.each([0, 300, 900])('dispatch, %i ms after it began: the answer and the queue agree', async (delay) => {
    const issue = 300 + delay;
    const running = operator.startDispatch(worker, issue, '--verbose');
    await until('kubectl exec has started', 60, () => running.output().includes(' exec '));
    await sleep(delay);
    const answer = await stopped(() => running.answer);
    saw(`containerd stopped ${delay} ms after a dispatch began`, answer);
    const queued = (await queueOf(worker)).includes(issue);
    if (answer.code === 0) expect(queued).toBe(true);
    else if (!answer.stderr.includes('it is not known whether')) expect(queued).toBe(false);
    expect(await operator.dispatch(worker, issue)).toExitWith(0);
    expect((await queueOf(worker)).filter((one) => one === issue)).toEqual([issue]);
    await assertSound(worker);
  });
});

describe('is stopped in the middle of a release', () => {
  const site = useRelease('fwc-runtime-release');
  const { worker: released } = site;
  /** Its stage goes on until containerd is back. */
  const heldAgent = async () => {
    await holdAgents(released);
    expect(await site.operator.dispatch(released, 1)).toExitWith(0);
    await atWork(released, 1);
  };
  const bigState = async () => {
    await inWorker(
      released,
      'mkdir -p /root/.factory/pipelines/big && head --bytes 100M /dev/urandom >/root/.factory/pipelines/big/file',
    );
  };
  const nothing = async () => {};
  const at = (line: string) => async () => Boolean(await inWorker(released, `pgrep --full '^${line}'`));

  it.each([
    { step: 'prepull', before: nothing, amid: undefined },
    { step: 'drain', before: heldAgent, amid: undefined },
    { step: 'backup', before: bigState, amid: at('gzip') },
    { step: 'verify', before: nothing, amid: undefined },
    { step: 'health', before: nothing, amid: undefined },
    { step: 'resume', before: nothing, amid: undefined },
  ])(
    'at $step: it is done when it says so, and else the same command goes on',
    async ({ step, before, amid }) => {
      const image = await otherImage(site, released);
      await before();
      const begun = site.operator.start(...rollout(image, 'one'));
      await reached(begun, 'one', step, amid);
      // An outage of some seconds: what waits for the node has no event of its own.
      await without('stop', 'containerd', () => Promise.race([begun.answer, sleep(15_000)]));
      await until('its node runs commands again', 60, () => inWorker(released, 'echo yes'));
      await letAgentsGoOn(released);
      const answer = await begun.answer;
      saw(`containerd stopped in a release, at ${step}`, answer);
      if (answer.code !== 0) {
        expect(answer.stderr).toContain('the same command again continues from there');
        const again = await site.operator.type(...rollout(image, 'one'));
        saw(`containerd stopped in a release, at ${step}, and again`, again);
        expect(again).toExitWith(0);
      }
      await assertServes(released, image);
      expect(lastRecord('one')).toMatchObject({ state: 'done', image });
      await inWorker(released, 'rm -rf /root/.factory/pipelines/big');
    },
    600_000,
  );
});

describe('stays away', () => {
  it('each command says that it is the node, and what to do; its sessions go on', async () => {
    await inWorker(worker, 'tmux new-session -d -s works "while sleep 1; do date +%s; done"');
    const pod = await readyPod(worker);
    const askAll = async () => {
      const flags = ['--timeout', '10s'];
      const list = await operator.list(...flags);
      saw('containerd stopped: list', list);
      expect(list).toExitWith(1);
      expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +unreachable/);
      const status = await operator.status(worker, ...flags);
      saw('containerd stopped: status', status);
      expect(status.stdout + status.stderr).toContain('the container runtime of its node does not answer');
      const dispatch = await operator.dispatch(worker, 51, ...flags);
      saw('containerd stopped: dispatch', dispatch);
      expect(dispatch).toExitWith(1);
      expect(dispatch.stderr).toContain('restart containerd');
      const run = await operator.type('exec', worker.name, ...flags, '--', 'true');
      saw('containerd stopped: exec', run);
      expect(run).toExitWith(1);
      // The kubelet has missed it for 30 s.
      expect(await explained(worker, 'node-not-ready', { flags })).toContain('container runtime is down');
      saw('containerd stopped, the node NotReady: list', await operator.list(...flags));
    };
    await crew.interrupted('containerd stopped', () => stopped(askAll));
    expect(await readyPod(worker)).toBe(pod);
    expect(await inWorker(worker, 'tmux list-sessions')).toContain('works');
    expect(await queueOf(worker)).not.toContain(51);
  });

  it('what was at work meanwhile finishes by itself, each issue once', () => crew.finishes());
});
