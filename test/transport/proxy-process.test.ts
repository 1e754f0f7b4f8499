/** The proxy as a process: it ends with the command that started it, in whatever way that ends, and leaves no socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answers,
  type ClusterServer,
  clusterServer,
  frozen,
  ok,
  type Question,
  SUCCESS,
} from '../support/cluster-server.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { makeFolder } from '../support/janitor.ts';
import { processesWith } from '../support/processes.ts';
import { program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { listAt, pod } from './cluster.ts';

let server: ClusterServer & { readonly port: number };
let kubectl: FakeKubectl;
let folder: string;
let runs = 0;
let script: NonNullable<Answers['exec']> = () => frozen;
beforeAll(async () => {
  // The pods are told, and watched; the script in the pod never ends.
  const get: Answers['get'] = ({ query }) =>
    query.has('watch') ? { kind: 'stream', begin() {} } : ok(listAt('7', pod()));
  server = await clusterServer({ get, exec: (asked) => script(asked) }, 0);
  kubectl = fakeKubectl([{ match: ['proxy'], proxyTo: server.port }]);
  folder = await makeFolder('proxy-process');
});
afterAll(async () => {
  await server.kill();
  kubectl.remove();
});

/** Starts `list` of a worker that does not answer. */
async function start(command = 'list', ...args: string[]) {
  const id = `proxy-process-${process.pid}-${++runs}`;
  const sockets = join(folder, `${runs}`);
  mkdirSync(sockets);
  const [node, ...words] = program(command);
  const workers = join(import.meta.dirname, '../../workers.example.yaml');
  const child = spawn(node, [...words, 'worker-1', ...args, '--workers', workers], {
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      KUBECTL: kubectl.path,
      XDG_RUNTIME_DIR: sockets,
      RUN: id,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return {
    child,
    ended,
    said: () => said,
    left: () => [readdirSync(sockets).length, processesWith(`RUN=${id}`).length],
  };
}

const waiting = (before: number) =>
  until(
    'the script is asked for',
    () => server.requests.filter((line) => line.startsWith('EXEC')).length > before,
  );
const execs = () => server.requests.filter((line) => line.startsWith('EXEC')).length;

describe('a command that ends', () => {
  it.each<[string, (child: ChildProcess) => unknown, number | null]>([
    ['at Ctrl-C', (child) => child.kill('SIGINT'), 130],
    ['at SIGTERM', (child) => child.kill('SIGTERM'), 143],
    ['when its terminal is closed', (child) => child.kill('SIGHUP'), 129],
    ['by SIGKILL', (child) => child.kill('SIGKILL'), null],
  ])('%s leaves no process and no socket', async (_, end, code) => {
    const before = execs();
    const { child, ended, left } = await start();
    await waiting(before);
    expect(left()[0]).toBe(1);
    end(child);
    expect(await ended).toBe(code);
    await expect.poll(left).toEqual([0, 0]);
  });

  it('does not wait for the end of a watch', async () => {
    script = () => ({ kind: 'running', end: SUCCESS });
    const { ended, left } = await start('wait', 'idle', '--timeout', '2s');
    expect(await ended).toBe(124);
    script = () => frozen;
    await expect.poll(left).toEqual([0, 0]);
    expect(server.requests).toContain('WATCH /api/v1/namespaces/factory/pods');
  });

  it('does not wait for the end of an exec that stays open', async () => {
    let answers = 0;
    const reply = (nonce: string) => {
      answers++;
      return { stdout: `${nonce} rc=0 bytes=0\n` };
    };
    const nonceOf = ({ query }: Question) =>
      query.getAll('command').find((word) => word.startsWith('=')) ?? '';
    script = (asked) => ({ kind: 'running', reply, close: 'never', ...reply(nonceOf(asked)) });
    const { child, ended, left } = await start('list', '--watch', '--interval', '100ms', '-o', 'json');
    await until('it was asked twice', () => answers > 1);
    script = () => frozen;
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    await expect.poll(left).toEqual([0, 0]);
  });

  it('at its time limit leaves none either, and does not wait for the proxy', async () => {
    const { ended, left } = await start('list', '--timeout', '1s');
    expect(await ended).toBe(1);
    await expect.poll(left).toEqual([0, 0]);
  });
});

describe('a command with --verbose', () => {
  it('shows what it asks, and that it asks the proxy', async () => {
    const before = execs();
    const { child, ended, said } = await start('list', '--verbose');
    await waiting(before);
    child.kill('SIGINT');
    await ended;
    const [proxy = ''] = said().split('\n');
    expect(proxy).toMatch(/^\+ .*kubectl --context=\S+ proxy --unix-socket=/);
    expect(said()).toMatch(/^\+ proxy: GET \/api\/v1\/namespaces\/factory\/pods$/m);
    expect(said()).toMatch(
      /^\+ proxy: exec factory-worker-1-7d9f8b6c5d-x2x4z --container=worker -- timeout -k 2 30 bash -c /m,
    );
  });
});

describe('a command whose proxy is killed', () => {
  it('says that the connection broke, and a second one is not run', async () => {
    const before = execs();
    const { child, ended } = await start('status');
    await waiting(before);
    const proxies = kubectl.calls().filter(({ argv }) => argv.includes('proxy'));
    expect(proxies.at(-1)?.argv).toContain('--reject-paths=^$');
    for (const pid of processesWith(`KUBECTL=${kubectl.path}`))
      if (pid !== child.pid) process.kill(pid, 'SIGKILL');
    expect(await ended).toBe(1);
    expect(execs()).toBe(before + 1);
  });
});
