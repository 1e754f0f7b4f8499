/**
 * Makes docs/ui-80x24.svg and its like: what `ui` shows of a fleet (fleet.ts) on a real terminal of each size. `make docs`.
 * The same screen gives the same file: what depends on the time of the day is replaced.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { programLine } from '../support/program.ts';
import { openTerminal, type Size } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { startFleet } from './fleet.ts';
import { drawn, picture, THEMES } from './svg.ts';

const SIZES: readonly Size[] = [
  { columns: 80, rows: 24 },
  { columns: 200, rows: 50 },
  { columns: 40, rows: 10 },
];

async function record(): Promise<ReadonlyMap<Size, string>> {
  const fleet = await startFleet();
  const terminal = await openTerminal();
  try {
    const screens = new Map<Size, string>();
    for (const size of SIZES) {
      const window = await terminal.run(programLine('ui'), fleet.env, size);
      await until(
        `the whole fleet on ${size.columns}×${size.rows}`,
        () => window.screen(),
        (screen) => /4 need you[\s\S]*AT WORK \(2\)/.test(screen) && (size.rows < 20 || showsAll(screen)),
      );
      screens.set(size, await window.screen('-e'));
      await window.press('q');
      await window.ended();
    }
    return screens;
  } finally {
    await terminal.close();
    await fleet.remove();
  }
}

/** Whether every worker has answered, and the pane of the selected one is there. */
const showsAll = (screen: string) => !screen.includes('asking…') && screen.includes('Esc to cancel');

/** A screen without what differs from one run to the next. */
const settled = (screen: string) =>
  screen.replaceAll(/\d\d:\d\d:\d\d/g, '12:04:11').replaceAll(/until \d\d:\d\d/g, 'until 15:00');

for (const [size, screen] of await record()) {
  const name = `ui-${size.columns}x${size.rows}`;
  const title = `The dashboard on a terminal of ${size.columns}×${size.rows}`;
  for (const [suffix, theme] of [
    ['', THEMES.light],
    ['-dark', THEMES.dark],
  ] as const) {
    writeFileSync(
      join(packageRoot(), 'docs', `${name}${suffix}.svg`),
      picture(title, size, theme, '', drawn(settled(screen).split('\n'), theme)),
    );
  }
}
