/** What stands in the way of an issue that is put back, with the real git. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createProcesses } from '../../../image/supervisor/effects/processes.ts';
import { files } from '../../../image/supervisor/effects/system.ts';
import { findLeftovers } from '../../../image/supervisor/loop/leftovers.ts';
import { until } from '../../support/until.ts';
import { isThere, LEFTOVERS } from '../../support/worktrees.ts';

let dir: string;
let clone: string;
let env: Record<string, string>;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'leftovers-'));
  clone = join(dir, 'clone');
  mkdirSync(clone);
  env = {
    PATH: process.env['PATH'] ?? '',
    HOME: dir,
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b',
  };
  bash('git init --quiet -b main && touch pipeline.yaml && git add . && git commit --quiet -m first');
});
afterEach(() => rmSync(dir, { recursive: true }));

const bash = (script: string) => execFileSync('bash', ['-c', script], { env, cwd: clone });
const ends = (script: string) => spawnSync('bash', ['-c', script], { env, cwd: clone }).status;
const find = () =>
  findLeftovers({ files, processes: createProcesses(env) }, { home: dir, directory: clone, issue: 23 });

it.each(LEFTOVERS)('$is: stays $stays', async (leftover) => {
  bash(leftover.make);
  const { stays, clear } = await find();
  expect(stays?.says ?? null).toEqual(leftover.stays === null ? null : expect.stringMatching(leftover.stays));
  expect(stays?.cure ?? '').toMatch(leftover.cure ?? /^$/);
  if (stays !== null) {
    await expect(clear()).rejects.toThrow(stays.says);
    expect(ends(isThere(leftover))).toBe(0);
    return;
  }
  await clear();
  expect(ends(isThere(leftover))).not.toBe(0);
  expect((await find()).stays).toBeNull();
  // As the program does it.
  expect(
    ends(
      'git worktree add worktrees/issue-23 -b feature/issue-23 || git worktree add worktrees/issue-23 feature/issue-23',
    ),
  ).toBe(0);
});

it('a branch without commits goes, so that the issue begins where its project is now; one with commits stays', async () => {
  bash('git branch feature/issue-23 && git commit --quiet --allow-empty -m later');
  await (await find()).clear();
  expect(ends('git rev-parse --verify --quiet feature/issue-23')).not.toBe(0);
  bash(
    'git switch --quiet --create feature/issue-23 && git commit --quiet --allow-empty -m work && git switch --quiet main',
  );
  await (await find()).clear();
  expect(ends('git rev-parse --verify --quiet feature/issue-23')).toBe(0);
});

it('a worktree in which a program still works stays until that has ended', async () => {
  bash('git worktree add --quiet -b feature/issue-23 worktrees/issue-23');
  const setup = spawn('sleep', ['60'], { cwd: join(clone, 'worktrees/issue-23') });
  await until(
    'the look at it',
    async () => (await find()).stays?.says ?? '',
    (says) => says.includes(`${setup.pid}`),
  );
  expect((await find()).stays).toEqual({
    says: `a program still works in ${clone}/worktrees/issue-23 (process ${setup.pid})`,
    cure: `kill ${setup.pid}`,
    passes: true,
  });
  const ended = new Promise((resolve) => setup.once('exit', resolve));
  setup.kill('SIGKILL');
  await ended;
  expect((await find()).stays).toBeNull();
});
