import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { localEnvironment, workerPath } from '../../scripts/lib/local/environment.ts';
import { localLayout } from '../../scripts/lib/local/layout.ts';
import { prepareLocalWorker } from '../../scripts/lib/local/prepare.ts';
import { local } from '../../scripts/local.ts';
import { run } from '../support/run-command.ts';

describe('the environment of a local worker', () => {
  it('is the same whoever asks, but for the clock and the way to the network', () => {
    const layout = localLayout('/nowhere/w1');
    const plain = localEnvironment(layout, 'w1', ['/opt/bin'], { PATH: '/usr/bin' });
    const full = localEnvironment(layout, 'w1', ['/opt/bin'], {
      PATH: '/usr/bin',
      TERM: 'xterm-ghostty',
      LANG: 'de_DE',
      TMUX: 'x',
      GH_TOKEN: 'x',
      GIT_DIR: 'x',
      TZ: 'Europe/Berlin',
      HTTPS_PROXY: 'http://proxy',
      GIT_SSL_CAINFO: '/ca.pem',
    });
    expect(full).toEqual({
      ...plain,
      TZ: 'Europe/Berlin',
      HTTPS_PROXY: 'http://proxy',
      GIT_SSL_CAINFO: '/ca.pem',
    });
    expect(Object.keys(plain).toSorted()).toEqual([
      'HOME',
      'LANG',
      'LC_ALL',
      'LOGNAME',
      'PATH',
      'SHELL',
      'TERM',
      'TMUX_TMPDIR',
      'USER',
      'WORKER_CONFIG_DIR',
      'WORKER_LIB_DIR',
      'WORKER_NAME',
      'WORKER_PATH',
      'WORKER_REPOS_DIR',
      'WORKER_RUNTIME',
      'WORKER_RUN_DIR',
      'WORKER_SECRETS_DIR',
      'WORKER_STATE_DIR',
    ]);
    expect(plain['TMUX_TMPDIR']).toMatch(/^\/tmp\/fw-\d+-[0-9a-f]{12}$/);
  });

  it.each([
    ['/usr/bin:/bin', '/opt/bin:/usr/bin:/bin'],
    [
      '/w/node_modules/.bin:/node_modules/npm/node_modules/@npmcli/run-script/lib/x:/usr/bin',
      '/opt/bin:/usr/bin',
    ],
    ['.:bin::/usr/bin', '/opt/bin:/usr/bin'],
    ['/usr/bin:/opt/bin', '/opt/bin:/usr/bin'],
    ['', '/opt/bin'],
  ])('PATH %s becomes %s', (caller, path) => expect(workerPath(['/opt/bin'], caller)).toBe(path));

  it('refuses folders that PATH cannot hold', () => {
    for (const bad of ['bin', '/a:b']) {
      expect(() =>
        prepareLocalWorker({ dir: join(tmpdir(), 'never-made'), name: 'w', binDirs: [bad] }),
      ).toThrow("cannot be on a worker's PATH");
    }
  });
});

it.each([
  ['local up --help', async () => (await run(local, ['up', '--help'])).stdout],
  ['the README', async () => readFileSync(new URL('../../README.md', import.meta.url), 'utf8')],
])('%s says that nothing confines a worker on this machine', async (_, text) => {
  expect(await text()).toMatch(/Nothing confines [^.]*: its agents run as you[.,*\s][\s\S]*strangers/);
});
