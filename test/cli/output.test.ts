import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import type { Context } from '../../scripts/lib/cli/command.ts';
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
import { fakeExec } from '../support/fake-exec.ts';
import { Captured } from '../support/run-command.ts';
import { commandLine } from '../support/samples.ts';

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

  it('fits into a width where lines must not wrap, at the cost of whole columns', () => {
    const fitted = (width: number) => renderTable(rows, COLUMNS, { headers: true, width, fit: true });
    expect(fitted(25)).toBe('NAME      QUEUE\nworker-1  deathcookies#2…\nw\n');
    expect(fitted(12)).toBe('NAME      Q…\nworker-1  d…\nw\n');
    expect(fitted(10)).toBe('NAME\nworker-1\nw\n');
    expect(fitted(5)).toBe('NAME\nwork…\nw\n');
    expect(fitted(100)).toBe(renderTable(rows, COLUMNS, { headers: true }));
    const painted = [
      { ...(COLUMNS[0] as Column<Row>), paint: (_: Row, cell: string) => `<${cell}>` },
      ...COLUMNS,
    ];
    expect(renderTable(rows, painted, { headers: false, width: 5, fit: true })).toBe('<work…>\n<w    >\n');
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

it('a number beyond all numbers is the largest in JSON, not null', () => {
  expect(JSON.parse(renderJson([JSON.parse('1e400'), JSON.parse('-1e400')]))).toEqual([
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
  ]);
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

  it('is cut when it is watched, below a header', async () => {
    const stdout = new Captured(true);
    const interrupt = new AbortController();
    stdout.onText = () => {
      if (stdout.text.includes('line 21')) interrupt.abort(new InterruptedError());
    };
    expect(await watch(watched(stdout, interrupt), 60_000, async () => view(lines(34)))).toBe(0);
    expect(stdout.text).toContain('line 21\u001b[K\n… 13 more rows\u001b[K\n\u001b[J');
    expect(stdout.text).not.toContain('line 22');
  });

  it('is cut, and taken away whole, while its rows come in', () => {
    const stdout = new Captured(true);
    const live = liveText(createSink(stdout));
    live.update(lines(30));
    live.clear();
    expect(stdout.text).toBe(`${lines(22)}… 8 more rows\n\u001b[23A\r\u001b[J`);
  });
});

/** The context of a watching command. */
function watched(stdout: Captured, { signal }: AbortController): Context {
  const sink = createSink(stdout);
  const stdin = Object.assign(new PassThrough(), { isTTY: stdout.isTTY, setRawMode: () => stdin });
  return {
    env: {},
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: sink,
    stderr: sink,
    exec: fakeExec(),
    signal,
    interactive: false,
    commandLine,
    now: () => new Date(2026, 10, 28, 12, 4, 11),
    runSibling: async () => 0,
  };
}

const view = (text: string) => ({ title: '2 workers', text });

describe('watch', () => {
  async function twoRounds(isTTY: boolean, reason: Error = new InterruptedError(), append = false) {
    const stdout = new Captured(isTTY);
    const interrupt = new AbortController();
    const context = watched(stdout, interrupt);
    let round = 0;
    const look = async () => {
      round += 1;
      if (round === 3) interrupt.abort(reason);
      return view(`round ${round}\n`);
    };
    const end = await watch(context, 1, look, append).catch((error: unknown) => error);
    return { end, text: stdout.text, context };
  }

  it('has the screen of a terminal until Ctrl-C, which is a good end, and gives it back', async () => {
    const { end, text } = await twoRounds(true);
    expect(end).toBe(0);
    const round = (n: number) =>
      `\u001b[H\u001b[1m2 workers · 12:04:11 · q quits\u001b[22m\u001b[K\nround ${n}\u001b[K\n\u001b[J`;
    expect(text).toBe(
      `\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J${round(1)}${round(2)}\u001b[0m\u001b[?25h\u001b[?1049l`,
    );
  });

  it.each(['q', '\u0003'])('ends at %j, also while it waits for an answer', async (key) => {
    const stdout = new Captured(true);
    const context = watched(stdout, new AbortController());
    const never = ({ signal }: Context) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        (context.stdin as unknown as PassThrough).write(key);
      });
    expect(await watch(context, 60_000, never)).toBe(0);
    expect(stdout.text).toMatch(/\u001b\[\?1049l$/);
  });

  it('gives the screen back at SIGTERM and at a failure, and passes on what happened', async () => {
    for (const reason of [new InterruptedError('interrupted', 143), new TypeError('a bug')]) {
      const { end, text } = await twoRounds(true, reason);
      expect(end).toBe(reason);
      expect(text).toMatch(/\u001b\[\?1049l$/);
    }
  });

  it('appends when piped, and data also on a terminal; Ctrl-C interrupts it', async () => {
    for (const [isTTY, append] of [
      [false, false],
      [true, true],
    ] as const) {
      const { end, text } = await twoRounds(isTTY, undefined, append);
      expect(end).toBeInstanceOf(InterruptedError);
      expect(text).toBe('round 1\nround 2\n');
    }
  });

  it('ends while it waits for the next round', async () => {
    const interrupt = new AbortController();
    const stdout = new Captured(false);
    stdout.onText = () => setImmediate(() => interrupt.abort(new InterruptedError()));
    const watching = watch(watched(stdout, interrupt), 60_000, async () => view('once\n'));
    await expect(watching).rejects.toThrow(InterruptedError);
    expect(stdout.text).toBe('once\n');
  });
});
