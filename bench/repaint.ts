/** What one repaint of the dashboard costs: from a changed model to the bytes for the terminal, in this process. */
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { fullScreen } from '../scripts/lib/cli/full-screen.ts';
import { painter } from '../scripts/lib/cli/output.ts';
import { createSink, type OutputStream } from '../scripts/lib/cli/sink.ts';
import { reduce } from '../scripts/lib/ui/model.ts';
import { screen } from '../scripts/lib/ui/screen.ts';
import { fleet, row } from '../test/ui/samples.ts';
import type { Result } from './cases.ts';
import { median } from './measure.ts';

const SIZE = { columns: 200, rows: 50 };
const REPAINTS = 100;

/** A terminal that keeps count of what is written to it. */
class Terminal extends EventEmitter {
  readonly isTTY = true;
  bytes = 0;
  write(text: string): boolean {
    this.bytes += Buffer.byteLength(text);
    return true;
  }
}

/** One of fifty workers changes, and the pane of the selected session has a new line. */
export async function repaint(): Promise<Result> {
  const terminal = new Terminal();
  const streams = {
    stdin: new PassThrough() as unknown as NodeJS.ReadStream,
    stdout: createSink(terminal as unknown as OutputStream),
  };
  const paint = painter({ isTTY: true }, {});
  const changes: { readonly ms: number; readonly bytes: number }[] = [];
  await fullScreen(
    streams,
    () => {},
    async (whole) => {
      let model = fleet();
      for (let round = 0; round <= REPAINTS; round++) {
        const lines = Array.from({ length: 100 }, (_, n) => `line ${n + round} ${'─'.repeat(n)}`);
        const session = { worker: 'worker-0', session: '23-qa-1' };
        const changed = row(`worker-${5 + (round % 20)}`, 'AT WORK', { issue: `demo#${round}`, stage: 'qa' });
        const before = terminal.bytes;
        const started = performance.now();
        model = reduce(model, { type: 'row', row: changed }).model;
        model = reduce(model, { type: 'pane', pane: { ...session, lines } }).model;
        whole.draw(screen(model, { size: SIZE, now: new Date(round * 1_000), paint }));
        // The first one draws the whole screen.
        if (round > 0) changes.push({ ms: performance.now() - started, bytes: terminal.bytes - before });
      }
    },
  );
  const bytes = Math.round(median(changes.map((change) => change.bytes)));
  if (bytes === 0) throw new Error('a repaint has written nothing');
  return {
    name: 'a repaint of `ui`, 50 workers, 200 × 50',
    what: 'from the changed model to the bytes for the terminal, one row and the pane changed',
    measured: `${bytes} bytes written, median of ${REPAINTS}`,
    value: median(changes.map(({ ms }) => ms)),
    limit: 30,
    unit: 'ms',
  };
}
