import { describe, expect, it } from 'vitest';
import { COMMON_FLAGS, defineCommand } from '../../scripts/lib/cli/command.ts';
import { ExitCode } from '../../scripts/lib/cli/errors.ts';
import { wrap } from '../../scripts/lib/cli/help.ts';
import { run } from '../support/run-command.ts';

const command = defineCommand({
  name: 'dance',
  summary: 'Dance with workers',
  description: 'As long as the music plays.',
  positionals: [
    { name: 'WORKER', required: true },
    { name: 'MORE', required: false, repeat: true },
  ],
  rest: 'COMMAND',
  flags: {
    tempo: { type: 'string', short: 't', value: 'BPM', default: '120', description: 'how fast' },
    style: { type: 'string', value: 'STYLE', choices: ['waltz', 'tango'], description: 'how' },
    partner: { type: 'list', value: 'NAME', description: 'with whom' },
    barefoot: { type: 'boolean', description: 'without shoes' },
  },
  examples: [
    ['worker-1 --tempo 90', 'slowly'],
    ['', 'alone'],
  ],
  run: async () => 0,
});

const help = (await run(command, ['--help'])).stdout;
const lines = help.split('\n');

describe('--help', () => {
  it('begins with what the command is for and how it is typed', () => {
    expect(lines.slice(0, 6)).toEqual([
      'Dance with workers',
      '',
      'Usage:',
      '  factory-worker dance WORKER [MORE…] [flags] [-- COMMAND]',
      '',
      'As long as the music plays.',
    ]);
  });

  it('shows examples that can be pasted', () => {
    expect(help).toContain('  # slowly\n  factory-worker dance worker-1 --tempo 90\n');
    expect(help).toContain('  # alone\n  factory-worker dance\n');
  });

  it('explains its own flags, and names the global ones in one line', () => {
    for (const [name, { description }] of Object.entries(command.flags)) {
      expect(lines.filter((line) => line.includes(`--${name}`) && line.includes(description))).toHaveLength(
        1,
      );
    }
    expect(help).toContain(
      '\nGlobal flags: --help, --version, --verbose, --no-color, --no-input (--help --all explains them)\n',
    );
  });

  it('with --all explains those too, after its own', async () => {
    const all = (await run(command, ['--help', '--all'])).stdout;
    const titles = [
      'Flags:',
      '--barefoot',
      'Global flags:',
      ...Object.keys(COMMON_FLAGS).map((name) => `--${name} `),
    ];
    const places = titles.map((title) => all.indexOf(`${title}`));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places).not.toContain(-1);
    expect((await run(command, ['--all', '-h'])).stdout).toBe(all);
  });

  it('is wrapped to the terminal, with each column in its place; what can be pasted is not', async () => {
    const { stdout } = await run(command, ['--help', '--all'], { tty: true, columns: 48 });
    const long = stdout.split('\n').filter((line) => line.length > 48);
    expect(long).toEqual(['  factory-worker dance WORKER [MORE…] [flags] [-- COMMAND]']);
    expect(stdout).toContain(
      '      --no-color  print without colours (same as\n                  NO_COLOR=1)\n',
    );
    expect(wrap('aaaa bbbb cccc dddd eeee ffff', 24, 4)).toBe('aaaa bbbb cccc dddd\n    eeee ffff');
  });

  it('says what a flag takes, its default and its choices', () => {
    expect(help).toMatch(/^ {2}-t, --tempo BPM +how fast \(default: 120\)$/m);
    expect(help).toMatch(/^ {6}--style STYLE +how \(waltz\|tango\)$/m);
    expect(help).toMatch(/^ {6}--partner NAME +with whom \(may be repeated\)$/m);
    expect(help).toMatch(/^ {6}--barefoot +without shoes$/m);
  });

  it('lists every exit code', () => {
    for (const code of Object.values(ExitCode)) expect(help).toMatch(new RegExp(`^  ${code} +\\S`, 'm'));
  });
});
