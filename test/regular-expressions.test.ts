/**
 * No regular expression takes more than linear time: what a worker says meets most of them, and one line of blanks must not
 * keep a command busy for seconds. Every literal of the code is tried with runs of what it may repeat.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = new URL('..', import.meta.url).pathname;

/** A literal, as it stands behind what cannot end an operand. */
const LITERAL = /(?<=[(,=:|&!?[{;\s])\/(?![*/])((?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([dgimsuvy]*)/g;

const UNITS = [
  ...' \n\r\t=aA0.-/:"\',│|\\()[#<>%@_❯\u001b',
  ...['a ', '\n ', ' \n', 'a,', 'a.', 'a-', 'a=', 'a:', 'x\n', '0.', '\u001b[', '://', '\n\n '],
];

/** At 64 million steps, which is what quadratic time means here, a run takes 50 ms and more; in linear time less than 1. */
const LENGTH = 8_000;
const TOO_LONG_MS = 15;

interface Literal {
  readonly file: string;
  readonly expression: RegExp;
}

function literals(): Literal[] {
  const files = execFileSync('git', ['ls-files', 'scripts', 'image/supervisor'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    // What only a build runs sees nothing of a worker's.
    .filter((file) => file.endsWith('.ts') && !file.startsWith('scripts/build/'));
  return files.flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(LITERAL)].flatMap(([, source = '', flags]) => {
      try {
        return [{ file, expression: new RegExp(source, flags) }];
      } catch {
        // A division, or text, that looks like one.
        return [];
      }
    }),
  );
}

/** What an expression may want to see before it repeats something: the letters it begins with. */
function beginning({ source }: RegExp): string {
  return /^\^?((?:[A-Za-z0-9: "'<-]|\\[.[(])*)/.exec(source)?.[1]?.replaceAll(/\\(?=\W)/g, '') ?? '';
}

function cpuMs(expression: RegExp, text: string): number {
  const before = process.cpuUsage();
  expression.lastIndex = 0;
  if (expression.global) text.replaceAll(expression, '');
  else expression.exec(text);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function isSlow(expression: RegExp): string | null {
  for (const before of new Set(['', beginning(expression)]))
    for (const unit of UNITS)
      for (const after of ['', 'x\u0001']) {
        const text = before + unit.repeat(LENGTH / unit.length) + after;
        // Once may be the machine; three times is the expression.
        if ([1, 2, 3].every(() => cpuMs(expression, text) > TOO_LONG_MS))
          return `${JSON.stringify(before)}, then ${JSON.stringify(unit)} again and again`;
      }
  return null;
}

it('each takes linear time', { timeout: 300_000 }, () => {
  const all = literals();
  expect(all.length).toBeGreaterThan(300);
  const slow = all.flatMap(({ file, expression }) => {
    const why = isSlow(expression);
    return why === null ? [] : [`${file}: ${expression} with ${why}`];
  });
  expect(slow).toEqual([]);
});

it('would find one that does not', () => {
  expect(isSlow(/\s+$/)).toContain('again and again');
  expect(isSlow(/^Error: ([\s\S]*?)(?:\n\s*\n|\s*$(?![\s\S]))/m)).toContain('"Error: "');
  expect(isSlow(/(?<!\s)\s+$/)).toBeNull();
});
