/** `--watch` on a real terminal. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { programLine } from '../support/program.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

let worker: HandWorker;
let terminal: Terminal;
beforeAll(async () => {
  worker = await handWorker();
  await worker.bash(
    'tmux new-session -d -s orchestrator cat; cd "$WORKER_REPOS_DIR/demo" && factory queue add 23 24 --intent x',
  );
  // It works; thirty others are not there.
  const lost = Array.from(
    { length: 30 },
    (_, n) => `  - {name: lost-${n}, runtime: local, home: /nonexistent}\n`,
  );
  await writeFile(
    join(worker.dir, 'fleet.yaml'),
    `workers:\n  - {name: w, runtime: local, home: ${worker.dir}}\n${lost.join('')}`,
  );
  terminal = await openTerminal();
});
afterAll(async () => {
  await terminal.close();
  await worker.remove();
});

const open = (size: { columns: number; rows: number }, ...args: [string, ...string[]]) =>
  terminal.run(
    `echo before; ${programLine(...args)}`,
    {
      ...worker.laptop,
      FACTORY_WORKERS: join(worker.dir, 'fleet.yaml'),
      TERM: 'xterm-256color',
      NO_COLOR: '',
    },
    size,
  );

describe.each([
  [80, 24, 'q'],
  [200, 50, 'C-c'],
  [40, 10, 'q'],
] as const)('on a terminal of %i×%i', (columns, rows, key) => {
  it(`list --watch shows the sick first, fits, and ${key} ends it quietly`, async () => {
    const window = await open({ columns, rows }, 'list', '--watch', '--interval', '200ms');
    await window.shows('31 workers · 30 need you · ');
    const lines = (await window.screen()).split('\n');
    expect(lines[0]).toMatch(/^31 workers · 30 need you · (?:\d\d:\d\d:\d\d · q quits|.*…)$/);
    expect(lines[1]).toMatch(columns > 40 ? /^NAME +POD +STATUS +CAUSE/ : /^NAME +STATUS +CAUSE/);
    // One row for each worker: none wraps.
    for (const [at, line] of lines.slice(2, -1).entries()) expect(line).toMatch(new RegExp(`^lost-${at} `));
    expect(lines.length).toBeLessThanOrEqual(rows);
    if (rows > 40) expect(lines.at(-1)).toMatch(/^w +\(local\) +running +- /);
    else expect(lines.at(-1)).toMatch(/^… \d+ more rows$/);
    await window.press(key);
    expect(await window.ended()).toEqual({ code: 0, restored: true });
    expect(await window.screen()).toBe('before\nexit=0');
  });
});

it('status --watch has a header, follows the size of the terminal, and SIGTERM gives the screen back', async () => {
  const window = await open({ columns: 80, rows: 24 }, 'status', 'w', '--watch', '--interval', '200ms');
  await window.shows(/^status of w · \d\d:\d\d:\d\d · q quits\nw: running/);
  await window.resize({ columns: 60, rows: 9 });
  await window.shows(/^status of w[\s\S]*\n… \d+ more rows$/);
  process.kill(await window.pid(), 'SIGTERM');
  expect(await window.ended()).toEqual({ code: 143, restored: true });
  expect(await window.screen()).toBe('before\nerror: interrupted\nexit=143');
});
