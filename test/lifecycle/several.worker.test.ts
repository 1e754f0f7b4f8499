import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { drain } from '../../scripts/drain.ts';
import type { Command } from '../../scripts/lib/cli/command.ts';
import type { Flags } from '../../scripts/lib/cli/flags.ts';
import { resume } from '../../scripts/resume.ts';
import { start } from '../../scripts/start.ts';
import { stop } from '../../scripts/stop.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type RunOptions, run } from '../support/run-command.ts';

let a: HandWorker;
let b: HandWorker;
let file: string;
const use = (...entries: string[]) =>
  writeFile(file, `workers:\n${entries.map((line) => `  - ${line}\n`).join('')}`);
const local = (name: string, home: string) => `{name: ${name}, runtime: local, home: ${home}}`;
beforeAll(async () => {
  [a, b] = await Promise.all([handWorker(), handWorker()]);
  file = join(a.dir, 'several.yaml');
});
afterAll(() => Promise.all([a.remove(), b.remove()]));

const type = <F extends Flags>(command: Command<F>, argv: readonly string[], options: RunOptions = {}) =>
  run(command, argv, { ...options, env: { ...a.laptop, FACTORY_WORKERS: file, ...options.env } });
const drained = () => [a, b].map(({ state }) => existsSync(join(state, 'drain')));
const lines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .sort();

describe('drain and resume of several workers', () => {
  beforeAll(() => use(local('a', a.dir), local('gone', '/nonexistent/worker'), local('b', b.dir)));
  afterEach(async () => {
    await type(resume, ['a', 'b', '--force']);
  });

  it('do the same with each, with a line for each', async () => {
    const went = await type(drain, ['b', 'a', 'b', '--reason', 'upgrade']);
    expect([went.code, lines(went.stdout)]).toEqual([
      0,
      [expect.stringMatching(/^a is drained/), expect.stringMatching(/^b is drained/)],
    ]);
    expect(drained()).toEqual([true, true]);
    const back = await type(resume, ['a', 'b']);
    expect([back.code, lines(back.stdout)]).toEqual([0, ['a takes work again', 'b takes work again']]);
    expect(drained()).toEqual([false, false]);
  });

  it('go on with the others when one fails; --all is every worker', async () => {
    const { code, stdout, stderr } = await type(drain, ['--all']);
    expect([code, lines(stdout)]).toEqual([
      3,
      [expect.stringMatching(/^a is drained/), expect.stringMatching(/^b is drained/)],
    ]);
    expect(stderr).toMatch(/^error: gone: .+\n {2}\S/m);
    expect(drained()).toEqual([true, true]);
  });

  it('print one list as JSON, in the order given; one worker alone an object', async () => {
    await type(drain, ['b']);
    const { code, stdout, stderr } = await type(resume, ['b', 'gone', 'a', '-o', 'json']);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toEqual([
      { worker: 'b', lifted: true, drain: expect.objectContaining({ release: null }) },
      { worker: 'gone', error: { message: expect.any(String), hints: expect.any(Array), exitCode: 1 } },
      { worker: 'a', lifted: false, drain: null },
    ]);
    expect(JSON.parse(stderr).error.message).toMatch(/^gone/);
    const alone = { schema: 1, worker: 'a', lifted: false, drain: null };
    expect(JSON.parse((await type(resume, ['a', '-o', 'json'])).stdout)).toEqual(alone);
  });

  it.each([
    [['a', 'nope'], /no worker "nope"/],
    [['--all', 'a'], /--all and names of workers cannot be used together/],
    [[], /WORKER is missing/],
  ])('%j touches nothing: exit 2', async (argv, message) => {
    const { code, stderr } = await type(drain, argv);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    expect(drained()).toEqual([false, false]);
  });

  it('without a name is still the worker in $FACTORY_WORKER', async () => {
    const { code, stdout } = await type(drain, [], { env: { FACTORY_WORKER: 'b' } });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^b is drained/)]);
  });

  it('end together at Ctrl-C, each with what becomes of it', async () => {
    const busy = JSON.stringify({
      schema: 1,
      state: 'checking-in',
      reason: null,
      pid: 1,
      project: 'demo',
      startedAt: new Date().toISOString(),
      finishedAt: null,
      intervalSeconds: 30,
      actions: [],
    });
    await Promise.all([a, b].map((worker) => worker.write('run/heartbeat.json', busy)));
    const { code, stderr } = await type(drain, ['a', 'b', '--wait'], {
      interruptAt: /a: waits for[\s\S]*b: waits for|b: waits for[\s\S]*a: waits for/,
    });
    await Promise.all([a.beat(), b.beat()]);
    expect(code).toBe(130);
    expect(stderr).toMatch(/^a: waits for the running check-in/m);
    for (const name of ['a', 'b'])
      expect(stderr).toContain(`error: ${name}: stopped waiting; ${name} stays drained\n`);
  });
});

describe('start and stop of several workers', () => {
  beforeAll(() => use(local('a', a.dir), local('b', b.dir)));

  it('plan each under its name', async () => {
    const { code, stdout } = await type(start, ['a', 'b', '--dry-run']);
    expect(code).toBe(0);
    for (const name of ['a', 'b']) expect(stdout).toMatch(new RegExp(`^# ${name}\\n`, 'm'));
    const { stdout: json } = await type(start, ['a', 'b', '--dry-run', '-o', 'json']);
    expect(JSON.parse(json)).toMatchObject([
      { worker: 'a', dryRun: true },
      { worker: 'b', dryRun: true },
    ]);
  });

  it('ask once for all', async () => {
    const { code, stderr } = await type(stop, ['a', 'b', '--now'], {
      tty: true,
      keys: [{ after: 'Stop a and b now?', type: 'n\r' }],
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('nothing was changed')]);
    const silent = await type(stop, ['a', 'b', '--now']);
    expect([silent.code, silent.stderr]).toEqual([2, expect.stringContaining('--yes')]);
  });
});

it('a cluster that does not answer is one message', async () => {
  const pod = (name: string) => `{name: ${name}, pod: factory-${name}, namespace: factory, context: prod}`;
  await use(pod('worker-1'), pod('worker-2'));
  const message = 'dial tcp 10.0.0.1:6443: connect: connection refused';
  const kubectl = fakeKubectl([
    { match: ['get', 'pods'], code: 1, stderr: `Unable to connect to the server: ${message}\n` },
  ]);
  const { code, stderr } = await type(resume, ['--all'], { env: { KUBECTL: kubectl.path } });
  kubectl.remove();
  expect(code).toBe(1);
  expect(stderr.match(/connection refused/g)).toHaveLength(1);
  expect(stderr).toMatch(/^error: 2 workers unreachable \(context prod, namespace factory\)/);
});
