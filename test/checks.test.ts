/** The forty checks of a command-line program: those that can be run on every command without knowing it. See CHECKS.md. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../scripts/commands.ts';
import { COMMON_FLAGS, type Command } from '../scripts/lib/cli/command.ts';
import { type Flag, type Flags, parseFlags, type StringFlag } from '../scripts/lib/cli/flags.ts';
import { WORKER_FLAGS } from '../scripts/lib/config/flags.ts';
import { ALL_COMMANDS } from './support/commands.ts';
import { type FakeExec, fakeExec } from './support/fake-exec.ts';
import { type Outcome, run } from './support/run-command.ts';

const ROOT = new URL('../', import.meta.url);
const checks = readFileSync(new URL('CHECKS.md', import.meta.url), 'utf8');

describe('the table of checks', () => {
  it('has all forty, each with a test or the reason why there is none', () => {
    const rows = checks.split('\n').filter((line) => /^\| \d+ \|/.test(line));
    expect(rows.map((row) => Number(row.split('|')[1]))).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
    expect(rows.filter((row) => !/`test\/[^`]+ › [^`]+`|not applicable: ./.test(row))).toEqual([]);
  });

  const named = [...checks.matchAll(/`(test\/[^` ]+) › ([^`]+)`/g)].map(
    ([, file = '', title = '']) => [file, title] as const,
  );
  it.each(named)('%s › %s is there', (file, title) => {
    expect(existsSync(new URL(file, ROOT)), file).toBe(true);
    const text = readFileSync(new URL(file, ROOT), 'utf8');
    const quoted = [`'${title.replaceAll("'", "\\'")}'`, `"${title}"`, `\`${title}\``];
    expect(
      quoted.some((literal) => text.includes(literal)),
      title,
    ).toBe(true);
  });
});

describe.each([
  'package-lock.json',
  'tools/helm/package-lock.json',
  'image/npm/linux_amd64/package-lock.json',
  'image/npm/linux_arm64/package-lock.json',
])('%s', (file) => {
  const { packages } = JSON.parse(readFileSync(new URL(file, ROOT), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string; resolved?: string; inBundle?: boolean }>;
  };
  // npm leaves it out for what it found in a folder and not in a registry, such as packages for other platforms.
  it('has the checksum of every package, and no registry of its own', () => {
    const installed = Object.entries(packages).filter(([path]) => path !== '');
    // What is in a bundle comes with the package around it, and is covered by that one's checksum.
    const unchecked = installed.filter(
      ([, { integrity, inBundle }]) => !inBundle && !/^sha512-/.test(integrity ?? ''),
    );
    expect(unchecked.map(([path]) => path)).toEqual([]);
    expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });
});

/** Commands that look for no worker in workers.yaml. */
const WITHOUT_WORKERS = new Set(['local', 'shell-init']);

const commands = await Promise.all(
  Object.entries(ALL_COMMANDS).map(async ([name, entry]) => [name, await entry.load()] as const),
);
const visible = commands.filter(([name]) => name in COMMANDS);

/** Runs a command in surroundings where it can start nothing without our seeing it, and find no workers. */
async function type(command: Command<Flags>, argv: readonly string[]): Promise<Outcome & { exec: FakeExec }> {
  const exec = fakeExec();
  return { exec, ...(await run(command, argv, { exec, env: { HOME: '/dev/null' } })) };
}

/** Words that stand for the arguments a command cannot do without. */
const needed = ({ positionals }: Command<Flags>) =>
  positionals.filter(({ required }) => required).map(({ name }) => name.toLowerCase());

/** The flags of one kind, by name. */
const flagsOf = (command: Command<Flags>, ...types: Flag['type'][]) =>
  Object.entries({ ...command.flags, ...COMMON_FLAGS } as Flags).filter(([, flag]) =>
    types.includes(flag.type),
  );

/** The words of a line as a shell reads it, up to a pipe or a redirection. */
function words(line: string): string[] {
  const found = line.match(/'[^']*'|"[^"]*"|[|<>]|[^\s'"|<>]+/g) ?? [];
  const end = found.findIndex((word) => /^[|<>]$/.test(word));
  return found.slice(0, end < 0 ? undefined : end).map((word) => word.replace(/^(['"])(.*)\1$/, '$2'));
}

describe.each(commands)('%s', (name, command) => {
  it('prints its help wherever -h or --help stands, and starts nothing', async () => {
    const help = await type(command, ['--help']);
    expect([help.code, help.stderr, help.exec.calls]).toEqual([0, '', []]);
    expect(help.stdout).toMatch(
      new RegExp(`^${command.summary.slice(0, 10)}[\\s\\S]*\\nUsage:\\n {2}factory-worker ${name}`),
    );
    for (const argv of [
      ['-h'],
      [...needed(command), '-h'],
      ['-h', ...needed(command)],
      ['--nonsense', '--help'],
    ]) {
      expect({ argv, stdout: (await type(command, argv)).stdout }).toEqual({ argv, stdout: help.stdout });
    }
  });

  it('without its arguments prints its usage on stderr: exit 2, and nothing is started', async () => {
    if (needed(command).length === 0) return;
    const { code, stdout, stderr, exec } = await type(command, []);
    expect([code, stdout, exec.calls]).toEqual([2, '', []]);
    expect(stderr).toMatch(new RegExp(`^error: .* is missing\\n[\\s\\S]*usage: factory-worker ${name} `));
  });

  it('lists every flag it has, with its default', async () => {
    const { stdout } = await type(command, ['--help', '--all']);
    for (const [flag, declared] of flagsOf(command, 'boolean', 'string', 'list')) {
      const line = stdout
        .split('\n')
        .find((text) => new RegExp(`^ {2}(-\\w, | {4})--${flag}( |$)`).test(text));
      expect(line, flag).toBeDefined();
      if (declared.type === 'string' && declared.default)
        expect(line).toContain(`(default: ${declared.default})`);
      if (declared.short) expect(line).toContain(`-${declared.short}, `);
    }
  });

  it('is printed as a next step only with flags it has', () => {
    for (const [flag, { sticky }] of Object.entries<StringFlag>(WORKER_FLAGS)) {
      if (sticky === undefined || flag in command.flags || !(name in COMMANDS)) continue;
      expect(sticky.exceptInto, `--${flag}`).toContain(name);
    }
  });

  it('lists the exit codes', async () => {
    const { stdout } = await type(command, ['--help']);
    for (const code of [0, 1, 2, 3, 124, 127, 130])
      expect(stdout).toMatch(new RegExp(`^ {2}${code} +\\w`, 'm'));
  });

  it('says its version in one line', async () => {
    const { code, stdout, stderr, exec } = await type(command, ['--version']);
    expect([code, stderr, exec.calls]).toEqual([0, '', []]);
    expect(stdout).toMatch(/^factory-worker \d+\.\d+\.\d+\S*\n$/);
  });

  it('refuses an unknown flag and names the nearest: exit 2', async () => {
    const [flag = ''] = flagsOf(command, 'string')[0] ?? ['verbose'];
    const { code, stderr, exec } = await type(command, [...needed(command), `--${flag.slice(0, -1)}x`]);
    expect([code, exec.calls]).toEqual([2, []]);
    expect(stderr).toMatch(
      new RegExp(`^error: unknown flag --${flag.slice(0, -1)}x\\n {2}did you mean .*--${flag}`),
    );
  });

  it('refuses a flag without its value: exit 2', async () => {
    for (const [flag] of flagsOf(command, 'string', 'list')) {
      const { code, stderr, exec } = await type(command, [`--${flag}`]);
      expect([flag, code, exec.calls]).toEqual([flag, 2, []]);
      expect(stderr).toContain(`--${flag} needs a value`);
    }
  });

  it('refuses an argument too many: exit 2', async () => {
    if (command.positionals.at(-1)?.repeat || command.restAfter !== undefined) return;
    const { code, stderr } = await type(command, [...command.positionals.map(() => 'x'), 'surplus']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('unexpected argument "surplus"')]);
  });

  it('takes its flags before and after its arguments', () => {
    const flags = { ...command.flags, ...COMMON_FLAGS };
    const given = flagsOf(command, 'string')
      .filter(([, flag]) => flag.type === 'string' && !flag.choices)
      .flatMap(([flag]) => [`--${flag}`, 'value']);
    const before = parseFlags([...given, ...needed(command)], flags, command.restAfter);
    const after = parseFlags([...needed(command), ...given], flags, command.restAfter);
    // Where the rest begins with the first word after the arguments, flags stand before that one.
    if (command.restAfter === undefined) expect(after).toEqual(before);
    expect(before.positionals).toEqual(needed(command));
  });

  it('takes -o in every spelling, and --json for it', async () => {
    const output = command.flags['output'];
    if (output?.type !== 'string') return;
    expect(output.choices).toContain('json');
    for (const spelling of ['-ojson', '-o json', '-o=json', '--output json', '--output=json']) {
      expect(parseFlags(spelling.split(' '), command.flags).flags['output']).toBe('json');
    }
    expect(command.flags['json']?.type).toBe('boolean');
    const { code, stderr } = await type(command, [...needed(command), '-o', 'yalm']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(`--output takes ${output.choices?.join(', ')}; not "yalm"`),
    ]);
  });

  it('reports a failure as JSON where JSON was asked for', async () => {
    if (!('json' in command.flags)) return;
    const { code, stdout, stderr } = await type(command, ['--json', '--nonsense']);
    expect([code, stdout]).toEqual([2, '']);
    expect(JSON.parse(stderr)).toMatchObject({
      error: { message: expect.any(String), hints: expect.any(Array), exitCode: 2 },
    });
  });
});

describe.each(visible)('%s', (name, command) => {
  it('has two examples or more, and each can be typed', () => {
    expect(command.examples.length).toBeGreaterThanOrEqual(2);
    for (const [line, why] of command.examples) {
      expect(why).not.toBe('');
      const { positionals, rest } = parseFlags(
        words(line),
        { ...command.flags, ...COMMON_FLAGS },
        command.restAfter,
      );
      expect(positionals.length, line).toBeGreaterThanOrEqual(needed(command).length);
      if (rest.length > 0) expect(command.rest, line).toBeDefined();
    }
  });

  it('has the flags of kubectl by which its workers are found', () => {
    if (WITHOUT_WORKERS.has(name)) return;
    expect(command.flags).toMatchObject({
      workers: { type: 'string' },
      context: { type: 'string' },
      namespace: { type: 'string', short: 'n' },
      kubeconfig: { type: 'string' },
      // In `wait` it is the earlier name of --wait-timeout.
      ...(name === 'wait' ? {} : { timeout: { type: 'string', default: expect.any(String) } }),
    });
  });
});
