/** The old ways in which tests failed by chance are not taken again; README.md says what to do instead. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../scripts/lib/cli/version.ts';

const ROOT = packageRoot();
/** Those with configurations of their own look into pods, where nothing of ours is beside them. */
const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/^(e2e|image|cluster|hygiene)\b/.test(path))
  .map((path) => ({
    path: join('test', path),
    lines: readFileSync(join(ROOT, 'test', path), 'utf8').split('\n'),
  }));

/** `file:line: text` of the lines that match. */
const found = (pattern: RegExp, except: (line: string, before: string) => boolean = () => false) =>
  files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      pattern.test(line) && !except(line, lines[index - 1] ?? '')
        ? [`${path}:${index + 1}: ${line.trim()}`]
        : [],
    ),
  );

it.each([
  ['looks for processes by command line (support/processes.ts)', /\b(pgrep|pkill|killall)\b|\/cmdline/],
  [
    'has a limit of its own for waiting (expect.poll, support/until.ts)',
    /vi\.wait(For|Until)\b|\.poll\(.*\{ *(timeout|interval):/,
  ],
  ['listens on a certain port', /\.listen\([1-9]/],
  ['is skipped without a reason (support/needs.ts)', /\.(skipIf|runIf|skip|todo|only)\b *\(/],
  ['asks a property a fixed number of times (support/properties.ts)', /numRuns: *\d/],
  ['measures how fast this machine is', /(Date|performance)\.now\(\) - \w+\)\.toBeLessThan\([\d_]{1,6}\)/],
])('nothing %s', (_, pattern) => expect(found(pattern)).toEqual([]));

/** A comment at its end or on the line before says why there is nothing to see that could be waited for. */
const hasReason = (line: string, before: string) => line.includes('//') || /^\s*(\/\/|\*)/.test(before);

it('nothing sleeps without the reason beside it', () => {
  const sleeps = /\bawait (sleep|pause|delay)\(|=> setTimeout\(|^\s*setTimeout\(/;
  const inTests = found(sleeps, hasReason).filter((line) => /^\S+\.test\.ts:/.test(line));
  expect(inTests).toEqual([]);
});
