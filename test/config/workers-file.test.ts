import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CliError, ExitCode, UsageError } from '../../scripts/lib/cli/errors.ts';
import type { WorkersFile } from '../../scripts/lib/config/worker-entry.ts';
import {
  chooseWorker,
  chooseWorkers,
  loadWorkers,
  workersPath,
} from '../../scripts/lib/config/workers-file.ts';
import { isRoot, needs } from '../support/needs.ts';

const NO_FLAGS = { workers: undefined, context: undefined, namespace: undefined, kubeconfig: undefined };

describe('where the file is', () => {
  it.each([
    ['at home by default', {}, undefined, '/home/me/.factory/workers.yaml'],
    ['where FACTORY_WORKERS says', { FACTORY_WORKERS: 'team.yaml' }, undefined, 'team.yaml'],
    [
      'not where an empty FACTORY_WORKERS says',
      { FACTORY_WORKERS: '' },
      undefined,
      '/home/me/.factory/workers.yaml',
    ],
    ['rather where --workers says', { FACTORY_WORKERS: 'team.yaml' }, 'mine.yaml', 'mine.yaml'],
    ['under the home that ~ means', { FACTORY_WORKERS: '~/team.yaml' }, undefined, '/home/me/team.yaml'],
  ])('%s', (_, env, flag, path) => {
    expect(workersPath({ HOME: '/home/me', ...env }, flag)).toBe(path);
  });
});

describe('loadWorkers', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'workers file '));
    mkdirSync(join(folder, '.factory'));
    env = { HOME: folder };
    writeFileSync(
      join(folder, '.factory/workers.yaml'),
      'workers:\n  - {name: a, pod: p, namespace: n, context: c, kubeconfig: kube}\n  - {name: b, runtime: local, home: b}\n',
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('reads the file', async () => {
    expect(await loadWorkers(env, NO_FLAGS)).toEqual({
      path: '~/.factory/workers.yaml',
      workers: [
        {
          runtime: 'kubernetes',
          name: 'a',
          pod: 'p',
          namespace: 'n',
          context: 'c',
          kubeconfig: join(folder, '.factory/kube'),
        },
        { runtime: 'local', name: 'b', home: join(folder, '.factory/b') },
      ],
    });
  });

  it('lets flags win over what the file says of workers in a cluster', async () => {
    const flags = { workers: undefined, context: 'c2', namespace: 'n2', kubeconfig: '~/kube2' };
    expect((await loadWorkers(env, flags)).workers).toEqual([
      {
        runtime: 'kubernetes',
        name: 'a',
        pod: 'p',
        namespace: 'n2',
        context: 'c2',
        kubeconfig: join(folder, 'kube2'),
      },
      { runtime: 'local', name: 'b', home: join(folder, '.factory/b') },
    ]);
  });

  it('keeps the connection to the cluster of the file alone', async () => {
    const entry = '{name: a, pod: p, namespace: n, context: c, keepConnection: 10m}';
    writeFileSync(join(folder, 'kept.yaml'), `workers:\n  - ${entry}\n`);
    const flags = { ...NO_FLAGS, workers: join(folder, 'kept.yaml') };
    const kept = async (more: Partial<typeof flags>) =>
      (await loadWorkers(env, { ...flags, ...more } as typeof flags)).workers.map(
        (worker) => worker.runtime === 'kubernetes' && worker.keepConnection,
      );
    expect(await kept({})).toEqual(['10m']);
    expect(await kept({ namespace: 'n2' } as object)).toEqual(['10m']);
    expect(await kept({ context: 'c2' } as object)).toEqual([undefined]);
    expect(await kept({ kubeconfig: '/k' } as object)).toEqual([undefined]);
  });

  it('leaves KUBECONFIG to kubectl', async () => {
    const { workers } = await loadWorkers({ ...env, KUBECONFIG: '/elsewhere' }, NO_FLAGS);
    expect(workers[0]).toMatchObject({ kubeconfig: join(folder, '.factory/kube') });
  });

  it('says how to make a file that is not there, in lines that can be pasted', async () => {
    const path = join(folder, 'new folder', 'workers.yaml');
    const error = await loadWorkers(env, { ...NO_FLAGS, workers: path }, (name, ...args) =>
      ['factory-worker', name, ...args].join(' '),
    ).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(CliError);
    expect(error).toMatchObject({
      message: 'there is no ~/new folder/workers.yaml, the file that names your workers',
      exitCode: ExitCode.failed,
      hints: [
        'a new one in a cluster: factory-worker provision worker-1',
        'one whose release is installed: factory-worker workers add worker-1',
        'a new one on this machine: factory-worker local up try',
        expect.stringMatching(
          /^from the example: mkdir -p '.*new folder' && cp .*workers\.example\.yaml '.*workers\.yaml'$/,
        ),
      ],
    });
    const [, paste] = error.hints[3].split('example: ');
    const { execFileSync } = await import('node:child_process');
    execFileSync('bash', ['--norc', '-c', paste], { stdio: ['ignore', 'ignore', 'inherit'] });
    expect((await loadWorkers(env, { ...NO_FLAGS, workers: path })).workers).toHaveLength(1);
  });

  it('says why a file cannot be read', async () => {
    const read = (workers: string) => loadWorkers(env, { ...NO_FLAGS, workers }).catch((thrown) => thrown);
    expect(await read(folder)).toMatchObject({
      message: `cannot read ${folder}: it is a folder, not a file`,
    });
    const through = join(folder, '.factory/workers.yaml/more');
    expect(await read(through)).toMatchObject({
      message: 'cannot read ~/.factory/workers.yaml/more: a part of its path is a file, not a folder',
    });
    expect(await read(through)).toBeInstanceOf(CliError);
  });

  it('says so when the file may not be read', needs(!isRoot, 'another user than root'), async () => {
    const path = join(folder, 'secret.yaml');
    writeFileSync(path, 'workers: []\n');
    chmodSync(path, 0);
    await expect(loadWorkers(env, { ...NO_FLAGS, workers: path })).rejects.toThrow('you may not read it');
  });
});

describe('choosing', () => {
  const fileOf = (...names: string[]): WorkersFile => ({
    path: '~/.factory/workers.yaml',
    workers: names.map((name) => ({ runtime: 'local', name, home: `/${name}` })),
  });
  const errorOf = (choose: () => unknown): UsageError => {
    try {
      choose();
    } catch (error) {
      if (error instanceof UsageError) return error;
      throw error;
    }
    throw new Error('no error');
  };

  it('finds workers by their exact names, each once, in the order given', () => {
    const file = fileOf('a', 'b', 'c');
    expect(chooseWorker(file, 'b').name).toBe('b');
    expect(chooseWorkers(file, ['c', 'a', 'c']).map(({ name }) => name)).toEqual(['c', 'a']);
  });

  it('suggests the nearest names and lists the valid ones', () => {
    const { message, hints } = errorOf(() => chooseWorker(fileOf('worker-1', 'worker-2', 'qa'), 'worker'));
    expect(message).toBe('no worker "worker" in ~/.factory/workers.yaml');
    expect(hints).toEqual(['did you mean worker-1 or worker-2?', 'workers: worker-1, worker-2, qa']);
  });

  it('names all unknown ones at once', () => {
    const { message, hints } = errorOf(() =>
      chooseWorkers(fileOf('alpha', 'beta'), ['alpa', 'beta', 'gamma']),
    );
    expect(message).toBe('no worker "alpa" or "gamma" in ~/.factory/workers.yaml');
    expect(hints).toEqual(['did you mean alpha?', 'workers: alpha, beta']);
  });

  it('cuts a long list', () => {
    const names = Array.from({ length: 50 }, (_, n) => `worker-${n + 1}`);
    const { hints } = errorOf(() => chooseWorker(fileOf(...names), 'something-else'));
    expect(hints).toEqual([`workers: ${names.slice(0, 12).join(', ')} and 38 more`]);
  });

  it('says when there are none', () => {
    expect(errorOf(() => chooseWorker(fileOf(), 'a')).hints).toEqual(['the file names no workers yet']);
  });
});
