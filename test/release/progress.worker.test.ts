/** What an operator at a real terminal sees of a push and of the pull on a node; without one, nothing. */
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { shellQuote } from '../../scripts/lib/cli/text.ts';
import { makeFolder } from '../support/janitor.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

const WITH_LOG = join(import.meta.dirname, '../../image/with-log.sh');

/** Draws on stdout where that is a terminal, and says on stderr what is wrong: as `docker push` does. */
const DOCKER = `#!/bin/bash
if [[ -t 1 ]]; then
  printf 'a1b2: Pushing 10MB/90MB\\r'
  printf 'a1b2: Pushing 90MB/90MB\\n'
else
  echo 'a1b2: Pushed'
fi
echo 'denied: no write access' >&2
exit 7
`;

let folder: string;
let terminal: Terminal;
let docker: string;
beforeAll(async () => {
  folder = await makeFolder('progress-');
  docker = join(folder, 'docker');
  await writeFile(docker, DOCKER, { mode: 0o755 });
  terminal = await openTerminal();
});
afterAll(async () => {
  await terminal.close();
  await rm(folder, { recursive: true, force: true });
});

it('docker draws its progress on the terminal, and what it says is kept as well', async () => {
  const log = join(folder, 'seen.log');
  const window = await terminal.run([WITH_LOG, log, docker, 'push', 'image'].map(shellQuote).join(' '));
  expect(await window.ended()).toEqual({ code: 7, restored: true });
  expect(await window.screen()).toBe('a1b2: Pushing 90MB/90MB\ndenied: no write access\nexit=7');
  expect(await readFile(log, 'utf8')).toBe('denied: no write access\n');
});

it('keeps stdout for data there, too', async () => {
  const [log, data] = [join(folder, 'piped.log'), join(folder, 'data')];
  const window = await terminal.run(`${[WITH_LOG, log, docker].map(shellQuote).join(' ')} >${data}`);
  expect((await window.ended()).code).toBe(7);
  expect(await window.screen()).toContain('a1b2: Pushing 90MB/90MB\n');
  expect(await readFile(data, 'utf8')).toBe('');
});

it('Ctrl-C on the terminal ends it with what it says last', async () => {
  const patient = join(folder, 'patient');
  await writeFile(
    patient,
    '#!/bin/bash\ntrap "echo canceled >&2; exit 9" INT\necho begun\nwhile :; do sleep 0.05; done\n',
    {
      mode: 0o755,
    },
  );
  const log = join(folder, 'cut.log');
  const window = await terminal.run([WITH_LOG, log, patient].map(shellQuote).join(' '));
  await window.shows('begun');
  await window.press('C-c');
  await window.shows('canceled');
  expect((await window.ended()).code).toBe(9);
  expect(await readFile(log, 'utf8')).toBe('canceled\n');
});

it('without a terminal all of it is in the log, and nothing is printed', async () => {
  const log = join(folder, 'silent.log');
  const printed = await new Promise((resolve) => {
    execFile(WITH_LOG, [log, docker, 'push', 'image'], (error, stdout, stderr) =>
      resolve([error?.code, stdout, stderr]),
    );
  });
  expect(printed).toEqual([7, '', '']);
  expect(await readFile(log, 'utf8')).toBe('a1b2: Pushed\ndenied: no write access\n');
});
