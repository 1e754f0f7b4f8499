import { describe, expect, it, vi } from 'vitest';
import { InterruptedError } from '../../scripts/lib/cli/errors.ts';
import {
  type Column,
  fitScreen,
  liveText,
  painter,
  renderJson,
  renderTable,
  watch,
} from '../../scripts/lib/cli/output.ts';
import { createSink } from '../../scripts/lib/cli/sink.ts';
import { displayWidth } from '../../scripts/lib/cli/width.ts';
import { Captured } from '../support/run-command.ts';

interface Row {
  readonly name: string;
  readonly queue: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { header: 'NAME', value: ({ name }) => name },
  { header: 'QUEUE', value: ({ queue }) => queue },
];

describe('renderTable', () => {
  const rows: Row[] = [
    { name: 'worker-1', queue: 'deathcookies#23, deathcookies#24' },
    { name: 'w', queue: '' },
  ];

  it('aligns columns with two spaces and leaves nothing at the ends of lines', () => {
    expect(renderTable(rows, COLUMNS, { headers: true })).toBe(
      'NAME      QUEUE\nworker-1  deathcookies#23, deathcookies#24\nw\n',
    );
  });

  it('prints no header when asked not to, and only a header for no rows', () => {
    expect(renderTable([rows[1] as Row], COLUMNS, { headers: false })).toBe('w\n');
    expect(renderTable([], COLUMNS, { headers: true })).toBe('NAME  QUEUE\n');
    expect(renderTable([], COLUMNS, { headers: false })).toBe('');
  });

  it('cuts only the last column, to the width of the terminal', () => {
    expect(renderTable(rows, COLUMNS, { headers: true, width: 25 })).toBe(
      'NAME      QUEUE\nworker-1  deathcookies#2…\nw\n',
    );
    const [, line] = renderTable(rows, COLUMNS, { headers: true, width: 25 }).split('\n');
    expect(line).toHaveLength(25);
  });

  it('counts columns of the screen, not characters: CJK is two wide, combining marks none', () => {
    const wide: Row[] = [
      { name: '日本', queue: 'a' },
      { name: 'e\u0301te', queue: 'b' },
      { name: 'four', queue: '日本日本' },
    ];
    expect(renderTable(wide, COLUMNS, { headers: false })).toBe('日本  a\ne\u0301te   b\nfour  日本日本\n');
    expect(renderTable(wide, COLUMNS, { headers: false, width: 11 })).toContain('four  日本…\n');
  });

  it('measures and cuts a long text in time that grows with what is shown of it, not with its square', () => {
    const segment = vi.spyOn(Intl.Segmenter.prototype, 'segment');
    const work = (action: (text: string) => void, letters: number) => {
      segment.mockClear();
      action('e\u0301'.repeat(letters));
      const lengths = segment.mock.calls.map(([given]) => given.length);
      // One step of the segmenter takes longer the longer its text is.
      expect(Math.max(...lengths)).toBeLessThanOrEqual(512);
      return lengths.reduce((sum, length) => sum + length, 0);
    };
    const table = (text: string) =>
      renderTable([{ name: text, queue: text }], COLUMNS, { headers: false, width: 600 });
    expect(work(table, 30_000)).toBe(work(table, 10_000));
    expect(work(displayWidth, 30_000)).toBeLessThan(1.1 * 60_000);
    segment.mockRestore();
  });

  it('lets no cell push the other columns far away', () => {
    const [line = ''] = renderTable([{ name: 'x'.repeat(9999), queue: 'q' }], COLUMNS, {
      headers: false,
    }).split('\n');
    expect(line).toBe(`${'x'.repeat(511)}…  q`);
  });

  it('lets nothing a worker says move the cursor, recolour the screen or add a line', () => {
    const hostile: Row[] = [
      { name: '\u001b[31mred\u001b[0m\u001b[2J', queue: 'a\nb\r\u0007\u009b1mc\u202e' },
    ];
    expect(renderTable(hostile, COLUMNS, { headers: false })).toBe('red  a b c\n');
  });

  it('paints a cell without changing the layout', () => {
    const painted: readonly Column<Row>[] = [
      { header: 'NAME', value: ({ name }) => name, paint: (_, cell) => `<${cell}>` },
      COLUMNS[1] as Column<Row>,
    ];
    expect(renderTable(rows, painted, { headers: true, width: 25 })).toBe(
      'NAME      QUEUE\n<worker-1>  deathcookies#2…\n<w       >\n',
    );
  });
});

describe('painter', () => {
  const RED = '\u001b[31mx\u001b[39m';
  const cases: [what: string, isTTY: boolean, env: NodeJS.ProcessEnv, text: string][] = [
    ['a terminal', true, { TERM: 'xterm' }, RED],
    ['a pipe', false, { TERM: 'xterm' }, 'x'],
    ['NO_COLOR', true, { NO_COLOR: '1' }, 'x'],
    ['an empty NO_COLOR', true, { NO_COLOR: '' }, RED],
    ['TERM=dumb', true, { TERM: 'dumb' }, 'x'],
    ['FORCE_COLOR on a pipe', false, { FORCE_COLOR: '1' }, RED],
    ['FORCE_COLOR against NO_COLOR', false, { FORCE_COLOR: '3', NO_COLOR: '1' }, RED],
    ['FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, 'x'],
    ['an empty FORCE_COLOR on a pipe', false, { FORCE_COLOR: '' }, 'x'],
  ];
  it.each(cases)('%s', (_, isTTY, env, text) => {
    expect(painter(createSink(new Captured(isTTY)), env)('red', 'x')).toBe(text);
  });
});

it('renders JSON that programs can read and people can, too', () => {
  expect(renderJson([{ a: 1 }])).toBe('[\n  {\n    "a": 1\n  }\n]\n');
});

describe('a text on a terminal that is too low for it', () => {
  const lines = (count: number, text = (index: number) => `line ${index + 1}`) =>
    Array.from({ length: count }, (_, index) => `${text(index)}\n`).join('');

  it.each<[what: string, text: string, rows: number | undefined, shown: string]>([
    ['that fits, the cursor below it', lines(4), 5, lines(4)],
    ['that is one line too long', lines(5), 5, `${lines(3)}… 2 more rows\n`],
    [
      'with lines that are wrapped',
      lines(4, () => '12345678901'),
      6,
      `${'12345678901\n'.repeat(2)}… 2 more rows\n`,
    ],
    [
      'with colours, which take no room',
      lines(4, () => '\u001b[31m1234567890\u001b[39m'),
      5,
      lines(4, () => '\u001b[31m1234567890\u001b[39m'),
    ],
    ['of one row', lines(3), 1, '… 3 more rows\n'],
    ['of a height nobody knows', lines(500), undefined, lines(500)],
  ])('%s', (_, text, rows, shown) => {
    expect(fitScreen(text, { columns: 10, ...(rows === undefined ? {} : { rows }) })).toBe(shown);
  });

  it('is cut when it is watched', async () => {
    const stdout = new Captured(true);
    const interrupt = new AbortController();
    const watching = watch({ stdout: createSink(stdout), signal: interrupt.signal }, 60_000, async () =>
      lines(34),
    );
    setTimeout(() => interrupt.abort(new InterruptedError()), 20);
    await expect(watching).rejects.toThrow(InterruptedError);
    expect(stdout.text).toContain('line 22\u001b[K\n… 12 more rows\u001b[K\n\u001b[J');
    expect(stdout.text).not.toContain('line 23');
  });

  it('is cut, and taken away whole, while its rows come in', () => {
    const stdout = new Captured(true);
    const live = liveText(createSink(stdout));
    live.update(lines(30));
    live.clear();
    expect(stdout.text).toBe(`${lines(22)}… 8 more rows\n\u001b[23A\r\u001b[J`);
  });
});

describe('watch', () => {
  async function twoRounds(isTTY: boolean): Promise<string> {
    const stdout = new Captured(isTTY);
    const interrupt = new AbortController();
    let round = 0;
    const watching = watch({ stdout: createSink(stdout), signal: interrupt.signal }, 1, async () => {
      round += 1;
      if (round === 3) interrupt.abort(new InterruptedError());
      return `round ${round}\n`;
    });
    await expect(watching).rejects.toThrow(InterruptedError);
    return stdout.text;
  }

  it('redraws in place on a terminal', async () => {
    expect(await twoRounds(true)).toBe('\u001b[Hround 1\u001b[K\n\u001b[J\u001b[Hround 2\u001b[K\n\u001b[J');
  });

  it('appends when piped', async () => {
    expect(await twoRounds(false)).toBe('round 1\nround 2\n');
  });

  it('ends while it waits for the next round', async () => {
    const interrupt = new AbortController();
    const stdout = new Captured(false);
    const watching = watch(
      { stdout: createSink(stdout), signal: interrupt.signal },
      60_000,
      async () => 'once\n',
    );
    setTimeout(() => interrupt.abort(new InterruptedError()), 20);
    await expect(watching).rejects.toThrow(InterruptedError);
    expect(stdout.text).toBe('once\n');
  });
});
