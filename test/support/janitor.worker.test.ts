import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { isRunning } from './processes.ts';

/** Makes a folder with a tmux server and a program in it, says so, and stays. */
const TEST = `
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
const { makeFolder } = await import('${pathToFileURL(join(import.meta.dirname, 'janitor.ts')).href}');
const folder = await makeFolder('jt-');
mkdirSync(folder + '/t');
spawnSync('tmux', ['new-session', '-d', 'sleep 300'], { env: { ...process.env, TMUX: '', TMUX_TMPDIR: folder + '/t' } });
const left = spawn('sleep', ['300'], { cwd: folder, detached: true, stdio: 'ignore' });
console.log(JSON.stringify({ folder, left: left.pid }));
setInterval(() => {}, 1000);
`;

it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  'nothing is left of tests that %s ends',
  async (signal) => {
    const test = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', TEST], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(test.stdout, 'data')) as [Buffer];
    const { folder, left } = JSON.parse(line.toString()) as { folder: string; left: number };
    expect([existsSync(join(folder, 't')), isRunning(left)]).toEqual([true, true]);
    test.kill(signal);
    await expect.poll(() => [existsSync(folder), isRunning(left)]).toEqual([false, false]);
  },
);
