/** Issues on a command line: whatever we or GitHub print can be pasted. */
import { describe, expect, it } from 'vitest';
import { parseGoal } from '../../scripts/lib/waiting/waiting.ts';
import { checkRepo, parseIssue, parseIssues, sameRepo } from '../../scripts/lib/worker/arguments.ts';
import { queueJson, snapshot } from './samples.ts';

describe('issues', () => {
  it.each([
    [['23'], [23], null],
    [['23', '7', '23'], [23, 7], null],
    [['999999999'], [999_999_999], null],
    [[], [], null],
    [['#25'], [25], null],
    [['25-27'], [25, 26, 27], null],
    [['#25-27', '26'], [25, 26, 27], null],
    [['demo#22'], [22], 'demo'],
    [['?#22'], [22], null],
    [['acme/demo#22-23'], [22, 23], 'acme/demo'],
    [['demo#1', '2', 'acme/demo#3'], [1, 2, 3], 'acme/demo'],
    [['https://github.com/acme/demo/issues/22'], [22], 'https://github.com/acme/demo'],
    [
      ['https://git.example.com:8443/acme/demo/issues/22/?a=b#issuecomment-1'],
      [22],
      'https://git.example.com:8443/acme/demo',
    ],
    [['acme/demo#1', 'https://github.com/acme/demo/issues/2'], [1, 2], 'acme/demo'],
  ])('%j are %j of %s', (words, issues, repo) => {
    expect(parseIssues(words, '--issue')).toEqual({ issues, repo });
  });

  it.each([
    ...[
      '0',
      '-1',
      'abc',
      '1e3',
      '0123',
      '',
      ' 23',
      '4.2',
      '+8',
      '1000000000',
      '２３',
      '#',
      'demo#',
      '#0',
      '23-',
    ],
    ...['a b#23', 'a/b/c#23', 'https://github.com/acme/demo', 'https://github.com/acme/demo/issues/0x1'],
  ])('%j is none: exit 2', (word) => {
    expect(() => parseIssues(['23', word], '--issue')).toThrow(
      expect.objectContaining({
        exitCode: 2,
        message: `--issue takes an issue such as 23, 25-27, demo#23 or its URL; not "${word}"`,
      }),
    );
  });

  it.each(['27-25', '1-101'])('%s is not a range: exit 2', (word) => {
    expect(() => parseIssues([word], '--issue')).toThrow(expect.objectContaining({ exitCode: 2 }));
  });

  it('of two projects are refused, and a range where one issue is meant', () => {
    expect(() => parseIssues(['demo#1', 'shop#2'], 'ISSUE')).toThrow(
      'one command is about one project; not about demo and shop',
    );
    expect(() => sameRepo('acme/demo', 'other/demo')).toThrow('acme/demo and other/demo');
    expect(() => parseIssue('1-2', 'ISSUE')).toThrow('ISSUE takes one issue; not "1-2"');
  });

  it('can be waited for by every name', () => {
    for (const word of ['issue:demo#23', 'demo#23=ended', 'https://github.com/acme/demo/issues/23=failed']) {
      expect(parseGoal(word).named?.issues, word).toEqual([23]);
    }
    expect(() => parseGoal('nothing')).toThrow('cannot wait for "nothing"');
  });
});

describe('the project that issues are named with', () => {
  const seen = (url = 'https://github.com/acme/demo.git') =>
    snapshot({ queue: queueJson([23, 'pending']), clones: `demo\t${url}\n` });
  const check = (word: string, url?: string) => () => checkRepo(parseIssues([word], 'ISSUE'), seen(url), 'w');

  it.each(['23', 'demo#23', 'demo#99', 'acme/demo#23', 'https://github.com/acme/demo/issues/23'])(
    'is right in %s',
    (word) => expect(check(word)).not.toThrow(),
  );

  it.each([
    ['shop#23', '#23 of w is demo#23, not shop#23'],
    ['shop#99', 'w has no project shop'],
    ['other/demo#23', 'demo of w is https://github.com/acme/demo.git, not other/demo'],
  ])('is wrong in %s: exit 2', (word, message) => {
    expect(check(word)).toThrow(expect.objectContaining({ exitCode: 2, message }));
  });

  it('has no owner that could be wrong where it was cloned from a disk', () => {
    expect(check('other/demo#23', '/srv/git/demo.git')).not.toThrow();
  });
});
