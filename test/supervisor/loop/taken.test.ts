/** The worktree of an issue that is put back, with the real git. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createProcesses } from '../../../image/supervisor/effects/processes.ts';
import { files } from '../../../image/supervisor/effects/system.ts';
import { removeWorktree } from '../../../image/supervisor/loop/taken.ts';
import { LEFT_WORKTREES } from '../../support/worktrees.ts';

const clone = mkdtempSync(join(tmpdir(), 'requeue-'));
afterEach(() => rmSync(clone, { recursive: true }));

const git = {
  PATH: process.env['PATH'] ?? '',
  HOME: clone,
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@b',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@b',
};

it.each(LEFT_WORKTREES)('one $is: stays $stays', async ({ make, stays }) => {
  const script = `mkdir -p "$HOME" && cd "$HOME" && git init --quiet && touch pipeline.yaml && git add . && git commit --quiet -m first && ${make}`;
  execFileSync('bash', ['-c', script], { env: git });
  await removeWorktree({ files, processes: createProcesses(git) }, clone, 23);
  expect(existsSync(join(clone, 'worktrees/issue-23'))).toBe(stays);
});
