/**
 * Makes docs/quickstart.svg and docs/quickstart-dark.svg: an animated recording of a real run in a real terminal. `make docs`.
 * A frame is what the screen shows once a command has ended; the command itself appears as if it were typed.
 */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { programLine } from '../support/program.ts';
import { openTerminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { picture, THEMES, type Theme, textAt } from './svg.ts';
import { startTryWorker } from './try-worker.ts';

const SIZE = { columns: 88, rows: 16 };
const SECONDS_PER_FRAME = 4;

interface Frame {
  readonly command: string;
  readonly lines: readonly string[];
}

/** In the order of a first visit. `until`: what the output shows once there is something to see. */
const WALK: readonly { readonly words: readonly [string, ...string[]]; readonly until: RegExp }[] = [
  { words: ['list'], until: /orchestrator/ },
  { words: ['dispatch', 'try', '--project', 'demo', '--issue', '1'], until: /queued/ },
  { words: ['list'], until: /review/ },
  { words: ['status', 'try'], until: /1-review-1/ },
  { words: ['peek', 'try', '--session', 'review', '--lines', '6'], until: /stage review/ },
];

async function record(): Promise<Frame[]> {
  const folder = await mkdtemp('/tmp/rec-');
  const worker = startTryWorker(folder);
  const terminal = await openTerminal();
  try {
    const frames: Frame[] = [];
    for (const { words, until: wanted } of WALK) {
      const [name, ...args] = words;
      const lines = await until(
        `${words.join(' ')} shows ${wanted}`,
        async () => {
          const window = await terminal.run(
            programLine(name, ...args),
            { ...worker.env, NO_COLOR: '1' },
            SIZE,
          );
          await window.ended();
          return (await window.screen()).split('\n').filter((line) => !line.startsWith('exit='));
        },
        (screen) => wanted.test(screen.join('\n')),
      );
      frames.push({
        command: `factory-worker ${words.join(' ')}`,
        lines: lines.map((line) => line.replace(folder, '~')),
      });
    }
    return frames;
  } finally {
    await terminal.close();
    worker.down();
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns the whole recording, repeated for ever; without animation, the last frame */
function svg(frames: readonly Frame[], theme: Theme): string {
  const total = frames.length * SECONDS_PER_FRAME;
  const share = 100 / frames.length;
  const drawn = frames.map(({ command, lines }, index) => {
    const rows = [`$ ${command}`, ...lines].slice(0, SIZE.rows);
    const body = rows.map((line, at) => textAt(line, at, at === 0 ? theme.blue : theme.text)).join('');
    const last = index === frames.length - 1;
    return `<g class="f" style="animation-delay:${index * SECONDS_PER_FRAME - total}s${last ? '' : ';opacity:0'}">${body}</g>`;
  });
  const css = `@media (prefers-reduced-motion: no-preference) { .f { animation: show ${total}s steps(1) infinite; } }
@keyframes show { 0% { opacity: 1 } ${share.toFixed(3)}% { opacity: 0 } 100% { opacity: 0 } }
`;
  return picture('A recording of the quickstart', SIZE, theme, css, drawn.join('\n'));
}

const frames = await record();
const docs = join(packageRoot(), 'docs');
writeFileSync(join(docs, 'quickstart.svg'), svg(frames, THEMES.light));
writeFileSync(join(docs, 'quickstart-dark.svg'), svg(frames, THEMES.dark));
