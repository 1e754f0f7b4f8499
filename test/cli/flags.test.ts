import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../scripts/lib/cli/errors.ts';
import { type Flags, parseFlags } from '../../scripts/lib/cli/flags.ts';

const FLAGS = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FORMAT',
    default: 'table',
    choices: ['table', 'json'],
    description: '',
  },
  project: { type: 'string', short: 'p', value: 'NAME', description: '' },
  namespace: { type: 'string', short: 'n', value: 'NAME', description: '' },
  issue: { type: 'list', short: 'i', value: 'N', description: '' },
  watch: { type: 'boolean', short: 'w', description: '' },
  verbose: { type: 'boolean', short: 'v', description: '' },
  'no-color': { type: 'boolean', description: '' },
} as const satisfies Flags;

const NOTHING = {
  output: 'table',
  project: undefined,
  namespace: undefined,
  issue: [],
  watch: false,
  verbose: false,
  'no-color': false,
};

describe('what is understood', () => {
  const cases: [
    argv: string,
    flags: Partial<Record<keyof typeof FLAGS, unknown>>,
    words?: string[],
    rest?: string[],
  ][] = [
    ['', {}],
    ['-ojson', { output: 'json' }],
    ['-o=json', { output: 'json' }],
    ['-o json', { output: 'json' }],
    ['--output=json', { output: 'json' }],
    ['--output json', { output: 'json' }],
    ['-o json -o table', { output: 'table' }],
    ['-nfactory', { namespace: 'factory' }],
    ['--issue 0123', { issue: ['0123'] }],
    ['--issue 1e3 --issue 1.10', { issue: ['1e3', '1.10'] }],
    ['--issue 1,2 -i3 --issue=4,', { issue: ['1', '2', '3', '4'] }],
    ['--issue -1', { issue: ['-1'] }],
    ['--project 007', { project: '007' }],
    ['--project=-x', { project: '-x' }],
    ['--project -1h', { project: '-1h' }],
    ['--project=a=b', { project: 'a=b' }],
    ['--project -', { project: '-' }],
    ['--project true', { project: 'true' }],
    ['--watch worker-1', { watch: true }, ['worker-1']],
    ['--watch=true', { watch: true }],
    ['--watch=false', { watch: false }],
    ['--watch --watch=false', { watch: false }],
    ['-vw', { verbose: true, watch: true }],
    ['-vnfactory', { verbose: true, namespace: 'factory' }],
    ['-vo json', { verbose: true, output: 'json' }],
    ['--no-color', { 'no-color': true }],
    ['007 -v 1e3', { verbose: true }, ['007', '1e3']],
    ['worker-1 -', {}, ['worker-1', '-']],
    ['a -p x b', { project: 'x' }, ['a', 'b']],
    ['worker-1 -- -v --nonsense -- 1', {}, ['worker-1'], ['-v', '--nonsense', '--', '1']],
    ['--', {}],
  ];
  it.each(cases)('%s', (line, flags, words = [], rest = []) => {
    const argv = line === '' ? [] : line.split(' ');
    expect(parseFlags(argv, FLAGS)).toEqual({ flags: { ...NOTHING, ...flags }, positionals: words, rest });
  });

  it('keeps any text given to a flag as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
        expect(parseFlags([`--project=${text}`], FLAGS).flags.project).toBe(text);
      }),
    );
  });

  it('keeps any words before and after -- as they are', () => {
    const word = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(fc.array(word.filter((text) => !text.startsWith('-'))), fc.array(word), (words, rest) => {
        expect(parseFlags([...words, '--', ...rest], FLAGS)).toEqual({
          flags: NOTHING,
          positionals: words,
          rest,
        });
      }),
    );
  });

  it('never fails with anything but a usage error', () => {
    const token = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map((text) => `-${text}`),
      fc.string().map((text) => `--${text}`),
      fc.constantFrom('--project', '-o', '--', '-', '--watch=', '--__proto__=1', '-vvv'),
    );
    fc.assert(
      fc.property(fc.array(token), (argv) => {
        try {
          parseFlags(argv, FLAGS);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });
});

describe('the earlier name of a flag', () => {
  const limit = { type: 'string', formerly: 'wait', value: 'DURATION', description: '' } as const;
  const only = { limit, yes: { type: 'boolean', description: '' } } as const;
  const beside = { ...only, wait: { type: 'boolean', description: '' } } as const;

  it.each([
    ['a --wait 30m', { limit: '30m', yes: false }, ['a']],
    ['--wait=30m --yes a', { limit: '30m', yes: true }, ['a']],
    ['--wait 1m --limit 2m', { limit: '2m', yes: false }, []],
  ])('is understood: %s', (line, flags, positionals) => {
    expect(parseFlags(line.split(' '), only)).toMatchObject({ flags, positionals });
  });

  it.each([
    ['a --wait', { limit: undefined, wait: true }, ['a']],
    ['--wait a', { limit: undefined, wait: true }, ['a']],
    ['--wait --limit 2m a', { limit: '2m', wait: true }, ['a']],
    ['--wait=true a', { limit: undefined, wait: true }, ['a']],
    ['a --wait 30m', { limit: '30m', wait: false }, ['a']],
    ['--wait=30m a', { limit: '30m', wait: false }, ['a']],
  ])('is a switch now, and understood with a number: %s', (line, flags, positionals) => {
    expect(parseFlags(line.split(' '), beside)).toMatchObject({ flags, positionals });
  });

  it.each(['--wait', '--wait --yes', '--wait='])('needs the value: %s', (line) => {
    expect(() => parseFlags(line.split(' '), only)).toThrow('--limit needs a value: --limit DURATION');
  });
});

describe('what is refused', () => {
  const cases: [argv: string, message: string, hint?: string][] = [
    ['--project', '--project needs a value: --project NAME'],
    ['--project=', '--project needs a value: --project NAME'],
    ['-p', '--project needs a value: --project NAME'],
    ['--project --watch', '--project needs a value: --project NAME'],
    ['--project -v', '--project needs a value: --project NAME'],
    ['--project -- x', '--project needs a value: --project NAME'],
    ['--projct x', 'unknown flag --projct', 'did you mean --project?'],
    ['--prject=x', 'unknown flag --prject', 'did you mean --project?'],
    ['--xyzzy', 'unknown flag --xyzzy'],
    ['-x', 'unknown flag -x'],
    ['-1', 'unknown flag -1'],
    ['-json', 'unknown flag -json'],
    ['--color', 'unknown flag --color', 'did you mean --no-color?'],
    ['--watch=maybe', '--watch takes no value; not "maybe"'],
    ['-w=', '--watch takes no value; not ""'],
    ['-o yaml', '--output takes table, json; not "yaml"'],
    ['-o jsn', '--output takes table, json; not "jsn"', 'did you mean json?'],
    ['--constructor', 'unknown flag --constructor'],
    ['--toString x', 'unknown flag --toString'],
    ['--__proto__ x', 'unknown flag --__proto__'],
    ['--__proto__.polluted x', 'unknown flag --__proto__.polluted'],
  ];
  it.each(cases)('%s', (line, message, hint) => {
    let error: unknown;
    try {
      parseFlags(line.split(' '), FLAGS);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(UsageError);
    const { message: said, hints } = error as UsageError;
    expect({ message: said, hints }).toEqual({ message, hints: hint === undefined ? [] : [hint] });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
