/** A remote and its clone in a temporary folder, with the real git, files and processes. */
import { execFileSync, type StdioOptions } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcesses } from '../../../image/supervisor/effects/processes.ts';
import { clock, files } from '../../../image/supervisor/effects/system.ts';
import { fakeLog } from '../fakes.ts';

const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];

export function gitWorld() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'fw-clones-')));
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: root,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    // A submodule from a folder: git takes that for dangerous.
    GIT_ALLOW_PROTOCOL: 'file',
    ...Object.fromEntries(
      ['AUTHOR', 'COMMITTER'].flatMap((who) => [
        [`GIT_${who}_NAME`, 'somebody'],
        [`GIT_${who}_EMAIL`, 'somebody@example.com'],
      ]),
    ),
  };
  const { log, lines } = fakeLog();
  const at = (...names: string[]) => join(root, ...names);
  /** Runs bash in a folder of the world. */
  const sh = (folder: string, script: string) =>
    execFileSync('bash', ['--norc', '-euc', script], {
      cwd: at(folder),
      env,
      encoding: 'utf8',
      stdio,
    }).trim();

  sh(
    '.',
    `git init --quiet --bare --initial-branch=main origin.git
     git clone --quiet origin.git seed 2>/dev/null
     cd seed && git switch --quiet --create main && echo 1 >pipeline.yaml && git add . && git commit --quiet -m first
     git push --quiet --set-upstream origin main
     cd .. && mkdir repos && git clone --quiet origin.git repos/demo`,
  );
  return {
    env,
    lines,
    effects: { clock, files, log, processes: createProcesses(env) },
    root,
    at,
    clone: at('repos', 'demo'),
    sh,
    /** In the clone. */
    git: (...args: string[]) =>
      execFileSync('git', args, { cwd: at('repos', 'demo'), env, encoding: 'utf8', stdio }).trim(),
    /** A commit that somebody else pushes; its id. */
    push: (branch = 'main', file = 'news') =>
      sh(
        'seed',
        `git fetch --quiet --prune
         git switch --quiet --detach origin/${branch}
         echo ${Math.random()} >'${file}' && git add . && git commit --quiet -m more
         git push --quiet origin HEAD:${branch} && git rev-parse HEAD`,
      ),
    /** As GitHub does it. */
    rename: (from: string, to: string) =>
      sh('origin.git', `git branch --move ${from} ${to} && git symbolic-ref HEAD refs/heads/${to}`),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

export type GitWorld = ReturnType<typeof gitWorld>;
