import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Context, defineCommand } from '../../scripts/lib/cli/command.ts';
import { CliError } from '../../scripts/lib/cli/errors.ts';
import { renderJson, renderJsonLine } from '../../scripts/lib/cli/output.ts';
import { createSink } from '../../scripts/lib/cli/sink.ts';
import { runs } from '../support/properties.ts';
import { Captured, run } from '../support/run-command.ts';

/** What comes out when these are written one after the other. */
function written(...texts: string[]): string {
  const stream = new Captured(true);
  const sink = createSink(stream);
  for (const text of texts) sink.write(text);
  return stream.text;
}

/** All that is left when line breaks, tabs and well-formed SGR sequences are taken away. */
function afterColours(text: string): string {
  return text.replaceAll(/\u001b\[(?:\d{1,3}(?:;\d{1,3})*)?m|[\n\t]/g, '');
}

const UNSAFE = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/u;

describe('a sink', () => {
  it.each([
    ['text', 'worker-1\trunning\n'],
    ['other scripts', 'héllo 日本 עברית नमस्ते\n'],
    ['emoji, joined and with a variation', '👩‍💻 ⚠️ 🏳️‍🌈\n'],
    ['a joiner between letters that need it', 'می‌خواهم क्‍ष\n'],
    [
      'a colour that is ended',
      '\u001b[31mred\u001b[39m \u001b[1;38;5;8mgrey\u001b[0m \u001b[38;2;8;8;8mx\u001b[0m\n',
    ],
    ['frames', '│ ▌box ━\n'],
  ])('writes as it is: %s', (_, text) => {
    expect(written(text)).toBe(text);
  });

  it.each([
    ['the title', 'a\u001b]0;title\u0007b', 'ab'],
    ['the clipboard', 'a\u001b]52;c;aGk=\u001b\\b', 'ab'],
    ['a link', '\u001b]8;;https://example.com\u001b\\text\u001b]8;;\u001b\\', 'text'],
    ['a title that is not ended, whose text stays', 'a\u001b]0;title\nb', 'a0;title\nb'],
    ['a device control string', 'a\u001bP$qm\u001b\\b', 'ab'],
    ['a cursor movement', 'a\u001b[2Ab\u001b[1;1Hc', 'abc'],
    ['a question to the terminal', 'a\u001b[6n\u001b[c\u001b[>q\u001bZb', 'ab'],
    ['a mode', '\u001b[?1049h\u001b[?25la', 'a'],
    ['a reset', '\u001bca', 'a'],
    ['a character set', '\u001b(0a', 'a'],
    ['8-bit sequences', 'a\u009b2J\u009d0;title\u009cb\u0085c', 'abc'],
    ['the other controls', 'a\u0000\u0007\b\v\f\u000e\u007fb', 'ab'],
    ['a carriage return', 'safe\rx\r\n', 'safex\n'],
    ['bidirectional controls', 'a\u202eb\u2066c\u2069\u200e\u200f\u061c', 'abc'],
    ['zero-width characters', 'to\u200bk\u2060e\ufeffn\u00ad', 'token'],
    ['joiners between letters of ASCII', 'to\u200dken\u200c', 'token'],
    ['tags', 'a\u{e0041}\u{e007f}', 'a'],
    ['line separators', 'a\u2028b\u2029', 'ab'],
    ['colours of another spelling', '\u001b[38:5:1ma\u001b[>4;1mb\u001b[1 mc', 'abc'],
    ['an attribute that conceals', '\u001b[8ma\u001b[1;8mb\u001b[0m', 'a\u001b[1mb\u001b[0m'],
    ['a sequence of endless parameters', `\u001b[${'1;'.repeat(500)}1ma`, 'a'],
    ['half a colour', '\u001b[38;5ma\u001b[38;9;1mb', 'ab'],
    ['a sequence that has only begun', 'a\u001b', 'a'],
    ['a sequence broken by a line', 'a\u001b[3\n1m', 'a3\n1m'],
  ])('leaves out: %s', (_, text, shown) => {
    expect(written(text)).toBe(shown);
  });

  it.each([
    ['\u001b[31mred\n\n', '\u001b[31mred\u001b[0m\n\n'],
    ['\u001b[41mred', '\u001b[41mred\u001b[0m'],
    ['\u001b[1mbold\u001b[39m\n', '\u001b[1mbold\u001b[39m\u001b[0m\n'],
    ['\u001b[31mred\u001b[m\u001b[;m\n', '\u001b[31mred\u001b[0m\u001b[0;0m\n'],
    ['\u001b[11mfont\n', '\u001b[11mfont\u001b[0m\n'],
    ['\u001b[38;5;0mblack\n', '\u001b[38;5;0mblack\u001b[0m\n'],
  ])('ends what is left on: %j', (text, shown) => {
    expect(written(text)).toBe(shown);
  });

  it('lets no sequence through in two pieces', () => {
    const text = 'a\u001b]0;title\u0007\u001b[2J\u009b6n\u001bPq\u001b\\z';
    for (let at = 0; at <= text.length; at++) {
      expect(afterColours(written(text.slice(0, at), text.slice(at)))).not.toMatch(UNSAFE);
    }
  });

  it('writes nothing a terminal would obey, whatever it is given in whatever pieces', () => {
    const piece = fc.string({
      unit: fc.oneof(
        {
          weight: 6,
          arbitrary: fc.constantFrom(
            ...'\u001b\u009b\u009d\u0090\u009c\u0007[]P\\;:?>08m1HJn \r\n\t'.split(''),
          ),
        },
        {
          weight: 2,
          arbitrary: fc.constantFrom(
            '\u202e',
            '\u2066',
            '\u200b',
            '\u200d',
            '\u{e0041}',
            'é',
            '👩',
            '\ufe0f',
          ),
        },
        { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
      ),
      maxLength: 60,
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        expect(afterColours(written(...pieces))).not.toMatch(UNSAFE);
      }),
      { numRuns: runs(1_000) },
    );
  });

  it('redraws in place by its own movements alone', () => {
    const stream = new Captured(true);
    const sink = createSink(stream);
    sink.redraw('one\u001b[9A\ntwo\n', 'top');
    sink.redraw('three\n', 2);
    expect(stream.text).toBe('\u001b[Hone\u001b[K\ntwo\u001b[K\n\u001b[J\u001b[2A\rthree\u001b[K\n\u001b[J');
  });

  it('tells the size of the terminal as it is by now', () => {
    const stream = Object.assign(new Writable(), { isTTY: true, columns: 80, rows: 24 });
    const sink = createSink(stream);
    stream.columns = 120;
    expect([sink.isTTY, sink.columns, sink.rows]).toEqual([true, 120, 24]);
    expect(createSink(new Writable())).toMatchObject({ isTTY: false, columns: undefined });
  });

  it.each([
    ['escapes', '\u001b['],
    ['unended strings', '\u001b]x'],
    ['8-bit strings', '\u009dx'],
    ['parameters', '\u001b[1;1'],
    ['blanks after an escape', '\u001b    '],
    ['colours', '\u001b[31m'],
    ['joiners', '\u200d'],
    ['line breaks', '\n'],
  ])('takes linear time: %s', (_, unit) => {
    const cpu = (size: number) => {
      const text = `é${unit.repeat(size / unit.length)}`;
      const before = process.cpuUsage().user;
      written(text);
      return process.cpuUsage().user - before;
    };
    cpu(100_000);
    // Eight times as much would take 64 times as long in quadratic time.
    expect(cpu(1_600_000)).toBeLessThan(Math.max(24 * cpu(200_000), 400_000));
  });
});

describe('a command', () => {
  const saying = (act: (context: Context) => unknown) =>
    defineCommand({
      name: 'say',
      summary: 'Say',
      positionals: [],
      flags: { json: { type: 'boolean', description: 'as JSON' } },
      examples: [],
      async run(_, context) {
        await act(context);
        return undefined;
      },
    });
  const HOSTILE = `x\u001b]0;title\u0007\u009b2J\u202ey\rghp_${'FAKE'.repeat(9)} GH_TOKEN=FAKE-fake-01`;

  it.each([
    ['data', (context: Context) => context.stdout.write(HOSTILE), []],
    ['notes', (context: Context) => context.stderr.write(HOSTILE), []],
    [
      'an error and its hints',
      () => {
        throw new CliError(HOSTILE, { hints: [HOSTILE] });
      },
      [],
    ],
    [
      'the stack of a crash',
      () => {
        throw new Error(HOSTILE);
      },
      [],
    ],
    [
      'a crash, as JSON',
      () => {
        throw new Error(HOSTILE);
      },
      ['--json'],
    ],
    ['a trace', (context: Context) => context.exec.run(['true', HOSTILE]), ['--verbose']],
  ])('lets nothing through that a terminal obeys, and no token: %s', async (_, act, argv) => {
    const { stdout, stderr } = await run(saying(act), argv, { tty: true });
    expect(`${stdout}${stderr}`).toMatch(/x.*y/);
    expect(afterColours(stdout + stderr)).not.toMatch(UNSAFE);
    expect(stdout + stderr).not.toMatch(/FAKE/);
  });
});

describe('a token', () => {
  const TOKEN = `ghp_${'FAKE'.repeat(9)}`;

  it.each([
    ['at once', [`x ${TOKEN} y\n`], `x ghp_${'*'.repeat(36)} y\n`],
    ['in two writes', [TOKEN.slice(0, 20), `${TOKEN.slice(20)} y\n`], `ghp_${'*'.repeat(36)} y\n`],
    ['behind its name', ['GH_TOKEN=', 'FAKE-fake-01\n'], `GH_TOKEN=${'*'.repeat(12)}\n`],
    ['on a line of its own', ['GH_TOKEN=\n', 'no-secret-at-all\n'], 'GH_TOKEN=\nno-secret-at-all\n'],
    [
      'with control characters inside',
      [`${TOKEN.slice(0, 9)}\u001b[2K\u200b${TOKEN.slice(9)}`],
      `ghp_${'*'.repeat(36)}`,
    ],
    ['painted', [`\u001b[31m${TOKEN}\u001b[39m\n`], `\u001b[31mghp_${'*'.repeat(36)}\u001b[39m\n`],
    ['in JSON', [renderJson([`x\n${TOKEN}`])], `[\n  "x\\nghp_${'*'.repeat(36)}"\n]\n`],
  ])('is masked: %s', (_, texts, shown) => {
    expect(written(...texts)).toBe(shown);
  });

  it('is masked in what is redrawn', () => {
    const stream = new Captured(true);
    createSink(stream).redraw(`${TOKEN}\n`, 'top');
    expect(stream.text).not.toContain('FAKE');
  });

  it('takes nothing of the next line for a part of one: that is the row of another worker', () => {
    const table = `worker-1  running  github_pat_${'FAKEfake'.repeat(4)}0004\nworker-2  running\n`;
    expect(written(table)).toMatch(/\nworker-2 {2}running\n$/);
    expect(written(table)).not.toContain('FAKE');
  });

  it('masks what it was told to hide, whatever it looks like', () => {
    const stream = new Captured();
    const sink = createSink(stream);
    sink.hide(['made.up.secret', 'short']);
    sink.write('it is made.up.secret, not short\n');
    expect(stream.text).toBe(`it is ${'*'.repeat('made.up.secret'.length)}, not short\n`);
  });
});

describe('JSON', () => {
  it.each([
    ['C0, DEL and C1', '\u0000\u001b\u007f\u009b'],
    ['bidirectional controls', '\u202e\u2066\u061c'],
    ['invisible characters', '\u200b\ufeff\u{e0041}\u2028'],
    ['others, which stay', 'é日👩'],
  ])('says everything, and writes nothing that a terminal obeys: %s', (_, text) => {
    for (const json of [renderJson([{ [text]: text }]), renderJsonLine([{ [text]: text }])]) {
      expect(json).not.toMatch(/(?!\n)\p{Cc}|[\p{Cf}\u2028]/u);
      expect(JSON.parse(json)).toEqual([{ [text]: text }]);
      expect(written(json)).toBe(json);
    }
  });

  it('is the same value for any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const json = written(renderJson([text]));
        expect(JSON.parse(json)).toEqual([text]);
        expect(afterColours(json)).not.toMatch(UNSAFE);
      }),
    );
  });
});

it('a sink without colours drops them, too', () => {
  const stream = new Captured(true);
  createSink(stream, { colours: false }).write('\u001b[31mred\u001b[0m\n');
  expect(stream.text).toBe('red\n');
});
