import { describe, expect, it } from 'vitest';
import type { IssueOutcome } from '../../scripts/lib/contract.ts';
import {
  describeOutcome,
  parseDispatchAnswer,
  parseWithdrawal,
  succeeded,
} from '../../scripts/lib/dispatch/outcome.ts';
import { type DispatchRequest, describeRequest, dispatchArgs } from '../../scripts/lib/dispatch/request.ts';
import { parseProject } from '../../scripts/lib/worker/arguments.ts';
import { isSameRepo } from '../../scripts/lib/worker/clones.ts';
import { commandLine } from '../support/samples.ts';
import { boot, frame, type Parts, pipelinesJson, queueJson, RUNNING, snapshot } from '../worker/samples.ts';

const request: DispatchRequest = {
  id: 'id-1',
  by: 'me@here',
  project: 'demo',
  issues: [23, 24],
  intent: undefined,
  dependsOn: [],
  requeue: false,
  dryRun: false,
};

describe('a project', () => {
  it.each([
    ['demo', 'demo'],
    ['acme/demo', 'demo'],
    ['https://github.com/acme/demo.git', 'demo'],
    ['my.project-2_x', 'my.project-2_x'],
  ])('%s is called %s', (word, name) => expect(parseProject(word)).toBe(name));

  it.each(['', '.', '..', '../..', '-x', 'a b', 'a;b', '.git', 'ü', '*'])('%j is none: exit 2', (word) => {
    expect(() => parseProject(word)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});

it.each([
  ['https://github.com/acme/demo.git', 'acme/demo', true],
  ['git@github.com:acme/demo.git', 'acme/demo', true],
  ['https://github.com/acme/demo', 'https://github.com/acme/demo.git/', true],
  ['https://github.com/Acme/Demo.git', 'acme/demo', true],
  ['/srv/git/demo.git', '/srv/git/demo.git', true],
  ['ssh://git@github.com:22/acme/demo.git', 'acme/demo', true],
  ['https://bot:secret@git.example.com/acme/demo', 'git@git.example.com:acme/demo.git', true],
  ['file:///srv/git/demo.git', '/srv/git/demo.git', true],
  ['https://github.com/acme/demo.git', 'other/demo', false],
  ['https://git.example.com/acme/demo.git', 'acme/demo', false],
  ['/srv/git/demo.git', '/srv/old/git/demo.git', false],
  ['', 'acme/demo', false],
])('a clone of %s is one of %s: %s', (origin, repo, same) => {
  expect(isSameRepo(origin, repo)).toBe(same);
});

it('what is sent is one argument, a JSON object', () => {
  const wanted = { ...request, intent: 'a\n"b"', dependsOn: [1, 2], requeue: true };
  expect(dispatchArgs(wanted).map((argument) => JSON.parse(argument))).toEqual([wanted]);
});

/** Lines of an answer. */
const outcomes = (...all: [issue: number, outcome: string, detail: string][]) =>
  all.map(([issue, outcome, detail]) => `${JSON.stringify({ issue, outcome, detail })}\n`).join('');

describe('the answer to a dispatch', () => {
  const HELP = {
    A: '      --intent string  x\n',
    B: '      --config string  x (required)\n      --depends-on string  x\n      --intent string  x\n',
  };
  const answer = (parts: Parts, overrides: Partial<DispatchRequest> = {}) =>
    parseDispatchAnswer(
      frame({ ...RUNNING, project: '/r/demo/pipeline.yaml', dialect: HELP.B, ...parts }),
      { ...request, ...overrides },
      'worker-1',
      commandLine,
    );

  it('tells what became of each issue, the messages of factory with their line breaks', () => {
    const said = outcomes([23, 'queued', ''], [24, 'failed', 'Error: no\nUsage:\n  x']);
    expect(answer({ outcomes: said }).outcomes).toEqual([
      { issue: 23, outcome: 'queued', detail: '' },
      { issue: 24, outcome: 'failed', detail: 'Error: no\nUsage:\n  x' },
    ]);
  });

  it.each([
    ['no JSON', '23\tqueued\t'],
    ['cut', outcomes([23, 'queued', '']).slice(0, -5)],
    ['of a word that no script says', outcomes([23, 'queued', ''], [24, 'odd', ''])],
    ['without an issue', '{"outcome":"queued","detail":""}'],
  ])('is refused when it is %s', (_, said) => {
    expect(() => answer({ outcomes: said })).toThrow(/^what the worker says of the dispatch is not/);
  });

  it.each<[string, Parts, Partial<DispatchRequest>, RegExp, number, RegExp]>([
    [
      'no such project',
      { project: { rc: 1, text: 'dmeo' } },
      { project: 'dmeo' },
      /^worker-1 has no project dmeo$/,
      2,
      /did you mean demo\?[\s\S]*its projects: demo[\s\S]*--clone owner\/name/,
    ],
    [
      'no projects at all',
      {
        project: { rc: 1, text: 'demo' },
        clones: '',
        boot: JSON.stringify({
          ...boot,
          phases: [
            { ...boot.phases[0], name: 'clones', status: 'failed', message: 'demo: Repository not found' },
          ],
        }),
      },
      {},
      /has no project demo/,
      2,
      /it has no projects yet[\s\S]*Repository not found/,
    ],
    [
      'no configuration',
      { project: { rc: 2, text: '/r/demo/pipeline.yaml' } },
      {},
      /demo has no pipeline configuration: \/r\/demo\/pipeline\.yaml is missing/,
      1,
      /commit one/,
    ],
    [
      'the queue is held',
      { busy: { rc: 1, text: 'another dispatch holds it' } },
      {},
      /nothing was queued: another dispatch holds it/,
      1,
      /type it again/,
    ],
    ['it was withdrawn', { withdrawn: { rc: 1, text: '' } }, {}, /was withdrawn/, 1, /^$/],
    [
      'no dependencies in A',
      { dialect: HELP.A },
      { dependsOn: [1] },
      /no dependencies between issues/,
      2,
      /^$/,
    ],
    ['no intents', { dialect: '' }, { intent: 'x' }, /has no intents/, 2, /^$/],
    [
      'factory cannot read its queue',
      {
        queue: { rc: 1, text: '' },
        'queue.error': { rc: 1, text: 'Error: open database: disk I/O error\nUsage:\n' },
      },
      {},
      /^nothing was queued: factory cannot read its queue: open database: disk I\/O error$/,
      1,
      /^$/,
    ],
    [
      'factory is missing',
      { dialect: { rc: 127, text: '' } },
      {},
      /factory is not on the PATH of the worker/,
      1,
      /^$/,
    ],
    [
      'factory cannot read its queue, since the volume is full',
      {
        queue: { rc: 1, text: '' },
        'queue.error': { rc: 1, text: 'Error: query queue: disk I/O error (10)\nUsage:\n' },
        disk: 'Filesystem 1-blocks Used Available Capacity Mounted on\n/dev/x 64 64 0 100% /root/.factory',
      },
      {},
      /: query queue: disk I\/O error \(10\); \/root\/\.factory is 100% full$/,
      1,
      /^leftovers of finished issues that can be removed: factory-worker cleanup worker-1 --dry-run$/,
    ],
    [
      'a PostgreSQL build without its database',
      {
        dialect: `key=1\npostgres=1\n${HELP.B}`,
        queue: { rc: 1, text: '' },
        'queue.error': {
          rc: 1,
          text: 'Error: DATABASE_URL environment variable not set\nUsage:\n  factory queue list [flags]\n\nDATABASE_URL environment variable not set\n',
        },
      },
      {},
      /^nothing was queued: factory cannot read its queue: DATABASE_URL environment variable not set$/,
      1,
      /PostgreSQL/,
    ],
  ])('%s: nothing was queued', (_, parts, overrides, message, exitCode, hints) => {
    try {
      answer(parts, overrides);
      expect.unreachable();
    } catch (error) {
      const {
        message: said,
        exitCode: code,
        hints: next,
      } = error as { message: string; exitCode: number; hints: string[] };
      expect(said).toMatch(message);
      expect(code).toBe(exitCode);
      expect(next.join('\n')).toMatch(hints);
    }
  });
});

describe('after a lost connection', () => {
  const ask = (parts: Parts) => parseWithdrawal(frame({ ...RUNNING, ...parts }), request)?.outcomes;
  const words = (parts: Parts) => ask(parts)?.map(({ issue, outcome }) => `${issue} ${outcome}`);

  it.each<[string, Parts, string[] | undefined]>([
    ['nothing had happened', {}, ['23 lost', '24 lost']],
    [
      'all had',
      {
        outcomes: outcomes([23, 'queued', ''], [24, 'queued', '']),
        queue: queueJson([23, 'pending'], [24, 'pending']),
      },
      ['23 queued', '24 queued'],
    ],
    [
      'the first had, the second was being added',
      { outcomes: outcomes([23, 'queued', '']), queue: queueJson([23, 'active'], [24, 'pending']) },
      ['23 queued', '24 queued'],
    ],
    [
      'the first had, the second had not',
      { outcomes: outcomes([23, 'queued', '']), queue: queueJson([23, 'active']) },
      ['23 queued', '24 lost'],
    ],
    [
      'one was there already, one had been completed before',
      {
        outcomes: outcomes([23, 'already', 'pending'], [24, 'finished', 'completed']),
        queue: queueJson([23, 'pending'], [24, 'completed']),
      },
      ['23 already', '24 finished'],
    ],
    [
      'it was queued, and is done by now',
      {
        outcomes: outcomes([23, 'queued', ''], [24, 'queued', '']),
        queue: queueJson([23, 'completed'], [24, 'completed']),
      },
      ['23 queued', '24 queued'],
    ],
    [
      'another project has the number',
      {
        clones: 'a\tx\ndemo\ty',
        dispatches: '{"issue":23,"project":"a"}',
        queue: queueJson([23, 'pending']),
      },
      ['23 lost', '24 lost'],
    ],
    ['the dispatch is still at work', { busy: { rc: 1, text: '' } }, undefined],
    ['the queue cannot be read', { queue: { rc: 1, text: '' } }, undefined],
    ['the queue is no JSON', { queue: '[{' }, undefined],
  ])('when %s', (_, parts, expected) => {
    expect(words(parts)).toEqual(expected);
  });
});

const WAY_ON = {
  requeue: 'dispatch … --requeue',
  giveUp: 'unstick … --give-up',
  clear: (cure: string) => cure || 'cleanup … --issue',
};

describe('the sentence for an issue', () => {
  const queue = queueJson([22, 'active'], [23, 'pending'], [24, 'pending']);
  const seen = snapshot({ queue, pipelines: pipelinesJson({ issue: 22, stage: 'qa' }) });
  const sentence = (outcome: IssueOutcome['outcome'], detail = '', issue = 23) =>
    describeOutcome({ issue, outcome, detail }, request, seen, WAY_ON);

  it.each<[IssueOutcome['outcome'], string, number, string, boolean]>([
    ['queued', '', 23, 'demo#23 queued: place 2 of 3, behind demo#22', true],
    [
      'queued',
      'refs/factory-worker/issue-23/0123456789ab',
      23,
      'demo#23 queued: place 2 of 3, behind demo#22; the commits of the previous run stay in refs/factory-worker/issue-23/0123456789ab',
      true,
    ],
    [
      'in-the-way',
      'the worktree /w/issue-23 is locked\n',
      23,
      'demo#23 was not queued: the worktree /w/issue-23 is locked, and factory would not begin over that; to clear it: cleanup … --issue',
      false,
    ],
    [
      'in-the-way',
      'a program still works in /w/issue-23 (process 7)\nkill 7',
      23,
      'demo#23 was not queued: a program still works in /w/issue-23 (process 7), and factory would not begin over that; to clear it: kill 7',
      false,
    ],
    ['queued', '', 22, 'demo#22 queued: working on it now, stage qa', true],
    ['queued', '', 99, 'demo#99 queued: it has left the queue already', true],
    ['already', 'pending', 24, 'demo#24 is already queued: place 3 of 3, behind demo#23', true],
    ['would-queue', '', 23, 'demo#23 would be queued', true],
    [
      'would-requeue',
      'failed',
      23,
      'demo#23 would be queued again (it is failed; its worktree and branch would go)',
      true,
    ],
    [
      'finished',
      'completed',
      23,
      'demo#23 was not queued: it is completed already; to run it again, dropping its worktree and branch: dispatch … --requeue',
      false,
    ],
    [
      'finished',
      'pipeline',
      23,
      'demo#23 was not queued: it is begun without a row in the queue already; to run it again, dropping its worktree and branch: dispatch … --requeue',
      false,
    ],
    [
      'working',
      'failed',
      23,
      'demo#23 was not queued: its row is failed, but its pipeline is in progress; to give that up first: unstick … --give-up',
      false,
    ],
    [
      'lost',
      '',
      23,
      'demo#23 is not queued, and will not be: the connection broke first; run the same dispatch again',
      false,
    ],
    [
      'other-project',
      'shop',
      23,
      'demo#23 was not queued: this worker has shop#23, and one worker counts issues of all projects together; use another worker, or remove shop#23 there first',
      false,
    ],
    [
      'failed',
      'Error: issue #23: failed to fetch from GitHub: HTTP 401\nUsage:\n  factory queue add\n',
      23,
      'demo#23 was not queued: factory says: issue #23: failed to fetch from GitHub: HTTP 401',
      false,
    ],
    [
      'failed',
      'bash: factory: command not found',
      23,
      'demo#23 was not queued: factory says: bash: factory: command not found',
      false,
    ],
  ])('%s (%s)', (outcome, detail, issue, text, success) => {
    expect(sentence(outcome, detail, issue)).toBe(text);
    expect(succeeded({ issue, outcome, detail })).toBe(success);
  });

  it('names what a waiting issue depends on', () => {
    const rows = JSON.stringify([{ Issue: 23, Status: 'pending', Position: 1, DependsOn: [7, 8] }]);
    expect(
      describeOutcome(
        { issue: 23, outcome: 'queued', detail: '' },
        request,
        snapshot({ queue: rows }),
        WAY_ON,
      ),
    ).toBe('demo#23 queued: place 1 of 1, after its dependencies #7 and #8');
  });

  it('and for the whole dispatch', () => {
    expect(describeRequest(request)).toBe('2 issues of demo');
    expect(describeRequest({ ...request, issues: [23] })).toBe('demo#23');
  });
});
