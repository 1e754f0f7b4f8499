import { describe, expect, it } from 'vitest';
import { COMMON_FLAGS, defineCommand } from '../../scripts/lib/cli/command.ts';
import { ExitCode } from '../../scripts/lib/cli/errors.ts';
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

  it('lists every declared flag, the common ones included, with its description', () => {
    const all = { ...command.flags, ...COMMON_FLAGS };
    for (const [name, { description }] of Object.entries(all)) {
      expect(lines.filter((line) => line.includes(`--${name}`) && line.includes(description))).toHaveLength(
        1,
      );
    }
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
