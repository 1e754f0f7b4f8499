/** Folders of tests that go away with the tests, also when those are ended by Ctrl-C, SIGTERM or SIGKILL. */
import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';

let janitor: Socket | undefined;

/**
 * Makes a folder directly below /tmp: the path of a tmux socket may have no more than 107 bytes. Whoever makes it removes it;
 * what is left of it when this process ends, the janitor removes, a tmux server with its socket in `t` and programs that run
 * below the folder included.
 */
export async function makeFolder(prefix: string): Promise<string> {
  const folder = await mkdtemp(join('/tmp', prefix));
  janitor ??= startJanitor();
  janitor.write(`${folder}\n`);
  return folder;
}

/** @returns what it reads folders from; the end of this process is the end of that */
function startJanitor(): Socket {
  const child = spawn('bash', [join(import.meta.dirname, 'janitor.sh')], {
    // In a session of its own, where the Ctrl-C for the tests does not reach it.
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.unref();
  const input = child.stdin as unknown as Socket;
  input.unref();
  return input;
}
