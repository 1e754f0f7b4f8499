/** What claude leaves behind, in real folders. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createProcesses } from '../../../image/supervisor/effects/processes.ts';
import { files } from '../../../image/supervisor/effects/system.ts';
import { createAgentLeftovers } from '../../../image/supervisor/sessions/agent-leftovers.ts';
import { fakeClock } from '../fakes.ts';

const root = mkdtempSync(join(tmpdir(), 'leftovers-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const folder = (path: string) => mkdirSync(join(root, path), { recursive: true });
const file = (path: string) => {
  folder(dirname(path));
  writeFileSync(join(root, path), '');
};
const twoDaysOld = (path: string) =>
  utimesSync(join(root, path), Date.now() / 1000 - 172_800, Date.now() / 1000 - 172_800);
const left = (paths: readonly string[]) => paths.filter((path) => existsSync(join(root, path)));

/** No process has this number: Linux has none above 4194304. */
const DEAD = 5_000_000;

const STAYS = [
  'claude/settings.json',
  'claude/telemetry/new.json',
  `claude/sessions/${process.pid}.json`,
  'claude/sessions/notes',
  'tmp/demo/new',
  'tmp/demo/old-with-file/kept',
  `sockets/${process.pid}.sock`,
];
const GOES = [
  'claude/telemetry/old.json',
  `claude/sessions/${DEAD}.json`,
  `claude/sessions/${DEAD}.0a1b.key`,
  'tmp/demo/old',
  'tmp/old',
  `sockets/${DEAD}.sock`,
];

it('is removed once it is a day old or its process has ended, and is looked for once an hour', async () => {
  for (const path of [...STAYS, ...GOES]) /^tmp\/.*(new|old)$/.test(path) ? folder(path) : file(path);
  const old = ['claude/settings.json', 'claude/telemetry/old.json', 'tmp/demo/old', 'tmp/old'];
  for (const path of [...old, 'tmp/demo/old-with-file/kept', 'tmp/demo/old-with-file', 'tmp/demo'])
    twoDaysOld(path);
  const clock = fakeClock();
  const processes = createProcesses({ PATH: process.env['PATH'] ?? '' }, 300);
  const maintain = createAgentLeftovers(
    { clock, files, processes },
    { claude: join(root, 'claude'), temporary: join(root, 'tmp'), sockets: join(root, 'sockets') },
  );
  await maintain();
  expect(left([...STAYS, ...GOES])).toEqual(STAYS);

  file(`sockets/${DEAD}.sock`);
  await maintain();
  expect(left([`sockets/${DEAD}.sock`])).toHaveLength(1);
  await clock.advance(60 * 60_000);
  await maintain();
  expect(left([`sockets/${DEAD}.sock`])).toEqual([]);
});

it('is nothing where claude was never started', async () => {
  const processes = createProcesses({ PATH: process.env['PATH'] ?? '' }, 300);
  const folders = { claude: join(root, 'none'), temporary: null, sockets: null };
  await createAgentLeftovers({ clock: fakeClock(), files, processes }, folders)();
  expect(left(['none'])).toEqual([]);
});
