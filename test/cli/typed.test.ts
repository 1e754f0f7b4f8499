/** How commands are typed: next steps that can be pasted, help by every name, and a bundle that is out of date. */
import { execFile } from 'node:child_process';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourceLine } from '../../scripts/lib/cli/run.ts';
import { staleBundle } from '../../scripts/lib/cli/stale.ts';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { makeFolder } from '../support/janitor.ts';
import { BUNDLE } from '../support/program.ts';
import type { Outcome } from '../support/run-command.ts';

describe('the line of a source file', () => {
  it.each([
    ['/home/me/fw', 'npx tsx scripts/list.ts'],
    ['/home/me/fw/scripts', 'npx tsx list.ts'],
    ['/home/me/other', 'npx tsx ../fw/scripts/list.ts'],
    ['/srv/a/b/c/d/e', 'npx tsx /home/me/fw/scripts/list.ts'],
    [null, 'npx tsx /home/me/fw/scripts/list.ts'],
  ])('in %s is %s', (cwd, line) => expect(sourceLine('/home/me/fw/scripts', cwd, 'list')).toBe(line));

  it('is quoted for a shell', () => {
    expect(sourceLine('/a b/scripts', '/', 'list')).toBe("npx tsx 'a b/scripts/list.ts'");
  });
});

function start(argv: readonly string[], cwd = packageRoot()): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent' };
    execFile(process.execPath, argv, { env, cwd }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

describe('factory-worker', () => {
  it.each([
    [
      ['help', 'list'],
      ['list', '--help'],
    ],
    [
      ['help', 'list', '--all'],
      ['list', '--help', '--all'],
    ],
    [
      ['ls', '--help'],
      ['list', '--help'],
    ],
    [
      ['help', 'ps'],
      ['sessions', '--help'],
    ],
    [
      ['ssh', '--help'],
      ['shell', '--help'],
    ],
    [['version'], ['--version']],
    [['help'], ['--help']],
  ])('%j is %j', async (one, other) => {
    const outcome = await start([BUNDLE, ...one]);
    expect(outcome.code).toBe(0);
    expect(outcome).toEqual(await start([BUNDLE, ...other]));
  });

  it('help of a command that does not exist says so: exit 2', async () => {
    const { code, stderr } = await start([BUNDLE, 'help', 'lst']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^error: there is no command lst\n {2}did you mean l/),
    ]);
  });

  it('a source file names itself from where it was started', async () => {
    const { stdout } = await start(['--import', 'tsx', join(packageRoot(), 'scripts', 'list.ts'), '--help']);
    expect(stdout).toContain('\n  npx tsx scripts/list.ts ');
  });
});

describe('a bundle that is older than its sources', () => {
  it('is named with what to type, in a checkout only', async () => {
    const root = await makeFolder('stale-');
    const touch = (path: string, seconds: number) => {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), '');
      utimesSync(join(root, path), seconds, seconds);
    };
    expect(staleBundle(root)).toBeNull();
    touch('dist/factory-worker.js', 1000);
    touch('scripts/lib/a.ts', 999);
    touch('.git/HEAD', 1);
    for (const apart of ['scripts/remote/a.sh', 'scripts/build/b.ts', 'scripts/notes.md']) touch(apart, 2000);
    expect(staleBundle(root)).toBeNull();
    touch('scripts/lib/deep/b.ts', 1001);
    expect(staleBundle(root)).toBe(
      `dist/ is older than the sources in scripts/; build it again: make -C ${root} build`,
    );
  });
});
