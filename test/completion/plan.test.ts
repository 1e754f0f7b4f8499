/** From words to what can be typed at the cursor. */
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../scripts/commands.ts';
import { type Command, defineCommand } from '../../scripts/lib/cli/command.ts';
import type { Flags } from '../../scripts/lib/cli/flags.ts';
import { ownWords, planArguments } from '../../scripts/lib/completion/plan.ts';
import { WORKER_FLAGS } from '../../scripts/lib/config/flags.ts';

const command = defineCommand({
  name: 'try',
  summary: '',
  positionals: [
    { name: 'add|remove', required: true },
    { name: 'WORKER', required: true, repeat: true },
  ],
  restAfter: 4,
  rest: 'WORD…',
  flags: {
    session: { type: 'string', short: 's', value: 'NAME', description: 'session' },
    project: { type: 'string', short: 'p', value: 'NAME', description: 'project' },
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['text', 'json'], description: 'how' },
    issue: { type: 'list', short: 'i', value: 'N', description: 'issue' },
    follow: { type: 'boolean', short: 'f', description: 'follow' },
    ...WORKER_FLAGS,
  },
  examples: [],
  run: async () => undefined,
}) as unknown as Command<Flags>;

/** The plan in a word or two; the last word is where the cursor is. */
function plan(...words: string[]): string {
  const found = planArguments(command, words);
  switch (found.kind) {
    case 'words':
      return found.words.map(({ value }) => value).join(' ');
    case 'workers':
      return `workers but ${found.except.join(',') || 'none'}`;
    case 'projects':
    case 'sessions':
      return `${found.kind} of ${found.worker}${found.before === '' ? '' : ` after ${found.before}`}`;
    default:
      return found.kind;
  }
}

const FLAGS =
  `--session --project --output --issue --follow --workers --context --namespace --kubeconfig --timeout
  --help --version --verbose --no-color --no-input`
    .split(/\s+/)
    .join(' ');

describe('what can be typed at the cursor', () => {
  it.each<[words: string[], plan: string]>([
    [[''], 'add remove'],
    [['a'], 'add remove'],
    [['add', ''], 'workers but none'],
    [['add', 'w-1', ''], 'workers but w-1'],
    [['add', 'w-1', 'w-2', 'w'], 'workers but w-1,w-2'],
    [['-'], FLAGS],
    [['add', '--se'], FLAGS],
    [['add', '--follow', 'w-1', '--out'], FLAGS.replace('--follow ', '')],
    [['add', '--session=qa', '-'], FLAGS.replace('--session ', '')],
    [['add', '--issue', '23', '-'], FLAGS],
    [['add', 'w-1', '--session', ''], 'sessions of w-1'],
    [['add', 'w-1', '-s', 'q'], 'sessions of w-1'],
    [['add', 'w-1', '-fs', ''], 'sessions of w-1'],
    [['add', 'w-1', '--session=q'], 'sessions of w-1 after --session='],
    [['add', 'w-1', '--session', 'qa', '--project', ''], 'projects of w-1'],
    [['--project', 'demo', 'add', 'w-1', 'w-2', '-s', ''], 'sessions of w-1'],
    [['add', '--session', ''], 'nothing'],
    [['add', '-o', ''], 'text json'],
    [['add', '-o', 'j'], 'text json'],
    [['add', '--output=j'], '--output=text --output=json'],
    [['add', '-o', 'nonsense', ''], 'workers but none'],
    [['add', '--workers', ''], 'files'],
    [['add', '--kubeconfig=~/'], 'files'],
    [['add', '--timeout', ''], 'nothing'],
    [['add', '--issue', ''], 'nothing'],
    [['add', '--follow='], 'nothing'],
    [['add', '--typo', 'w-1', ''], 'nothing'],
    [['add', 'w-1', '--', ''], 'nothing'],
    [['add', 'w-1', '--', '--se'], 'nothing'],
    [['add', 'w-1', 'w-2', 'w-3', 'ls', '--'], 'nothing'],
  ])('%j: %s', (words, expected) => {
    expect(plan(...words)).toBe(expected);
  });

  it('passes on by which flags the workers are found', () => {
    const words = ['add', '--workers', 'my.yaml', '-n', 'ns', '--context=c', 'w-1', '-s', ''];
    expect(planArguments(command, words)).toMatchObject({
      kind: 'sessions',
      worker: 'w-1',
      given: { workers: 'my.yaml', namespace: 'ns', context: 'c', kubeconfig: undefined },
    });
  });

  it('offers the sessions of the worker where a session is an argument of its own', () => {
    const typing: Command<Flags> = {
      ...command,
      positionals: [
        { name: 'WORKER', required: true },
        { name: 'SESSION', required: true },
      ],
    };
    expect(planArguments(typing, ['w-1', ''])).toMatchObject({ kind: 'sessions', worker: 'w-1', before: '' });
    expect(planArguments(typing, [''])).toMatchObject({ kind: 'workers' });
  });

  it('knows the workers, sessions and projects of the real commands', async () => {
    const planned = await Promise.all(
      Object.entries(COMMANDS).map(async ([name, { load }]) => {
        const loaded = await load();
        const flags = Object.keys(loaded.flags).filter((flag) => flag === 'session' || flag === 'project');
        const worker = loaded.positionals.some((positional) => positional.name === 'WORKER');
        return [
          name,
          worker && planArguments(loaded, ['']).kind,
          ...flags.map((flag) => planArguments(loaded, ['worker-1', `--${flag}`, '']).kind),
        ].join(' ');
      }),
    );
    expect(planned).toEqual(
      expect.arrayContaining([
        'list workers',
        'status workers',
        'peek workers sessions',
        'attach workers sessions',
        'exec workers projects',
        'dispatch workers projects',
      ]),
    );
  });
});

describe('whose words they are', () => {
  it.each<[words: string[], own: string[] | null]>([
    [['factory-worker', ''], ['']],
    [
      ['/opt/bin/factory-worker', 'list', 'w'],
      ['list', 'w'],
    ],
    [
      ['fw', 'list', ''],
      ['list', ''],
    ],
    [
      ['factory', 'worker', 'list', ''],
      ['list', ''],
    ],
    [['/usr/bin/factory', 'worker', ''], ['']],
    [['factory', 'worker'], null],
    [['factory', ''], null],
    [['factory', 'queue', 'worker', ''], null],
  ])('%j: %j', (words, own) => {
    expect(ownWords(words)).toEqual(own);
  });
});
