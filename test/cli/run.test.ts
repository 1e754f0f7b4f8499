import { describe, expect, it } from 'vitest';
import { type Context, defineCommand } from '../../scripts/lib/cli/command.ts';
import { CliError, ExitCode, InterruptedError, UsageError } from '../../scripts/lib/cli/errors.ts';
import type { Flags } from '../../scripts/lib/cli/flags.ts';
import { OUTPUT_FLAGS } from '../../scripts/lib/cli/output-flags.ts';
import { confirm, input, select } from '../../scripts/lib/cli/prompt.ts';
import { packageVersion } from '../../scripts/lib/cli/version.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { run } from '../support/run-command.ts';

/** A command that does what the test says. */
function commandThat(
  does: (context: Context) => unknown,
  { flags = {}, rest }: { flags?: Flags; rest?: string } = {},
) {
  return defineCommand({
    name: 'try',
    summary: 'Tries something',
    positionals: [
      { name: 'WORKER', required: true },
      { name: 'MORE', required: false },
    ],
    flags,
    ...(rest === undefined ? {} : { rest }),
    examples: [
      ['worker-1', 'one'],
      ['worker-2', 'another'],
    ],
    async run(_, context) {
      return (await does(context)) as number | undefined;
    },
  });
}

const fails = (error: unknown, flags: Flags = {}) =>
  commandThat(
    () => {
      throw error;
    },
    { flags },
  );

const JSON_FLAGS = OUTPUT_FLAGS(['table', 'json']);

describe('exit codes', () => {
  it.each([
    ['nothing', undefined, 0],
    ['a number', 3, 3],
  ])('%s', async (_, result, code) => {
    expect(
      await run(
        commandThat(() => result),
        ['w'],
      ),
    ).toEqual({ code, stdout: '', stderr: '' });
  });

  it.each([
    ['an expected failure', new CliError('it failed'), 1],
    ['one with its own code', new CliError('too slow', { exitCode: ExitCode.timeout }), 124],
    ['wrong use', new UsageError('not so'), 2],
    ['Ctrl-C', new InterruptedError(), 130],
    ['Ctrl-C in a prompt', Object.assign(new Error('User force closed'), { name: 'ExitPromptError' }), 130],
    ['something unexpected', new TypeError('x is not a function'), 1],
  ])('%s', async (_, error, code) => {
    expect((await run(fails(error), ['w'])).code).toBe(code);
  });
});

describe('errors', () => {
  it('say what failed, then what to do, on stderr and without a stack', async () => {
    const error = new CliError('the worker is gone', { hints: ['look: list', 'two\nlines'] });
    expect(await run(fails(error), ['w'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: the worker is gone\n  look: list\n  two\n  lines\n',
    });
  });

  it('have their stack with DEBUG=1', async () => {
    const { stderr } = await run(fails(new CliError('gone')), ['w'], { env: { DEBUG: '1' } });
    expect(stderr).toMatch(/^error: gone\nCliError: gone\n {4}at /);
  });

  it('come with the usage line on a usage error', async () => {
    expect((await run(fails(new UsageError('not so', 'but so')), ['w'])).stderr).toBe(
      'error: not so\n  but so\nusage: factory-worker try WORKER [MORE] [flags]\nfactory-worker try --help explains\n',
    );
  });

  it('are reported with their stack when they are ours', async () => {
    expect((await run(fails(new TypeError('x is not a function')), ['w'])).stderr).toMatch(
      /^factory-worker failed unexpectedly; please report this\nTypeError: x is not a function\n {4}at /,
    );
    expect((await run(fails(undefined), ['w'])).stderr).toContain('undefined');
  });

  it.each([['--json'], ['-o json'], ['-ojson'], ['-o=json'], ['--output json'], ['--output=json']])(
    'are JSON with %s',
    async (flags) => {
      const error = new CliError('gone', { hints: ['look'], exitCode: 124 });
      const { code, stdout, stderr } = await run(fails(error, JSON_FLAGS), ['w', ...flags.split(' ')]);
      expect(JSON.parse(stderr)).toEqual({
        schema: 1,
        error: { message: 'gone', hints: ['look'], exitCode: 124 },
      });
      expect({ code, stdout }).toEqual({ code: 124, stdout: '' });
    },
  );

  it('are JSON even when the arguments are wrong, or the failure is ours', async () => {
    const wrong = await run(fails(null, JSON_FLAGS), ['w', '--nonsense', '--json']);
    expect(JSON.parse(wrong.stderr)).toEqual({
      schema: 1,
      error: { message: 'unknown flag --nonsense', hints: [], exitCode: 2 },
    });
    const ours = await run(fails(new TypeError('oops'), JSON_FLAGS), ['w', '--json']);
    expect(JSON.parse(ours.stderr).error).toMatchObject({
      exitCode: 1,
      hints: [expect.stringContaining('oops')],
    });
  });

  it('are text where --json is not ours', async () => {
    const failing = commandThat(
      () => {
        throw new CliError('gone');
      },
      { flags: JSON_FLAGS, rest: 'COMMAND' },
    );
    expect((await run(failing, ['w', '--', 'gh', '--json'])).stderr).toBe('error: gone\n');
    expect((await run(fails(new CliError('gone')), ['w', '--json'])).stderr).toMatch(
      /^error: unknown flag --json\n/,
    );
  });

  it('show nothing of a worker that could move the cursor', async () => {
    const error = new CliError('it says: \u001b[2Jhello \u0007there', {
      hints: ['\u001b]0;title\u0007look'],
    });
    expect((await run(fails(error), ['w'])).stderr).toBe('error: it says: hello there\n  look\n');
  });
});

describe('arguments', () => {
  const never = commandThat(() => {
    throw new Error('was run');
  });
  it.each([
    [[], 'WORKER is missing'],
    [['a', 'b', 'c'], 'unexpected argument "c"'],
    [['a', '--', 'ls'], 'unexpected argument "ls" after --'],
    [['a', '--wroker'], 'unknown flag --wroker'],
  ])('%j: %s', async (argv, message) => {
    const { code, stdout, stderr } = await run(never, argv);
    expect({ code, stdout, error: stderr.split('\n')[0] }).toEqual({
      code: 2,
      stdout: '',
      error: `error: ${message}`,
    });
  });

  it.each([
    [['--help']],
    [['-h']],
    [['-vh']],
    [['--help=true']],
    [['--nonsense', '--help']],
    [['a', 'b', 'c', '-h']],
  ])('%j prints the help and runs nothing', async (argv) => {
    const { code, stdout, stderr } = await run(never, argv);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Usage:\n  factory-worker try WORKER [MORE] [flags]\n');
  });

  it('--version is one line', async () => {
    expect(await run(never, ['--version'])).toEqual({
      code: 0,
      stdout: `factory-worker ${packageVersion()}\n`,
      stderr: '',
    });
  });

  it('leaves --help to the remote command after --', async () => {
    const { stdout } = await run(
      commandThat(({ stdout }) => void stdout.write('ran\n'), { rest: 'COMMAND' }),
      ['w', '--', 'ls', '--help'],
    );
    expect(stdout).toBe('ran\n');
  });
});

describe('what a command is given', () => {
  it('--verbose shows every command line, scripts cut and tokens masked', async () => {
    const starts = commandThat(async ({ exec }) => {
      const token = `ghp_${'x'.repeat(20)}`;
      await exec.run(['true', 'a b', 'first line\nsecond line', token]);
    });
    const { stderr } = await run(starts, ['w', '-v']);
    expect(stderr).toBe("+ true 'a b' 'first line …' ghp_********************\n");
    expect((await run(starts, ['w'])).stderr).toBe('');
  });

  it('is a person only where stdin and stderr are terminals, and neither CI nor --no-input says otherwise', async () => {
    const asks = commandThat(({ interactive }) => (interactive ? 1 : 0));
    const people = async (argv: string[], options: Parameters<typeof run>[2]) =>
      (await run(asks, ['w', ...argv], options)).code === 1;
    expect(await people([], { tty: true })).toBe(true);
    expect(await people([], { tty: ['stdin', 'stderr'] })).toBe(true);
    expect(await people([], { tty: ['stdin', 'stdout'] })).toBe(false);
    expect(await people([], { tty: ['stdout', 'stderr'] })).toBe(false);
    expect(await people([], { tty: true, env: { CI: '1' } })).toBe(false);
    expect(await people(['--no-input'], { tty: true })).toBe(false);
  });

  it('is an exec of the test, if the test has one', async () => {
    const exec = fakeExec(() => ({ stdout: 'answer', code: 4 }));
    const asks = commandThat(async (context) => (await context.exec.run(['kubectl', 'get'])).code);
    expect((await run(asks, ['w'], { exec })).code).toBe(4);
    expect(exec.calls).toEqual([['kubectl', 'get']]);
  });
});

describe('questions', () => {
  const asking = commandThat(async (context) => {
    const yes = await confirm(context, 'Really?', false);
    const name = await input(context, 'Name?', '--name NAME', (text) => text !== '' || 'say something');
    const choice = await select(
      context,
      'Which?',
      [
        { name: 'first', value: 1 },
        { name: 'second', value: 2 },
      ],
      '--which N',
    );
    context.stdout.write(JSON.stringify({ yes, name, choice }));
  });

  it('are asked on stderr and answered from the terminal', async () => {
    const { code, stdout, stderr } = await run(asking, ['w'], {
      tty: true,
      keys: [
        { after: 'Really?', type: 'y\r' },
        { after: 'Name?', type: 'worker\r' },
        { after: 'Which?', type: '\u001b[B\r' },
      ],
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"yes":true,"name":"worker","choice":2}' });
    expect(stderr).toContain('Really?');
  });

  it('end the command at Ctrl-C', async () => {
    const { code, stderr } = await run(asking, ['w'], {
      tty: true,
      keys: [{ after: 'Really?', type: '\u0003' }],
    });
    expect(code).toBe(130);
    expect(stderr).toContain('error: interrupted\n');
  });

  it('end the command at a signal', async () => {
    const { code } = await run(asking, ['w'], { tty: true, keys: [], interruptAt: 'Really?' });
    expect(code).toBe(130);
  });

  it('are never asked without a person: the error names the flag', async () => {
    expect(await run(asking, ['w'])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'error: Really? There is no terminal to ask on\n  give --yes\nusage: factory-worker try WORKER [MORE] [flags]\nfactory-worker try --help explains\n',
    });
  });
});
