/** What operators saw, for the table in README.md: each test puts down the words that a person would have read. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SCRATCH } from './cluster.ts';
import type { Answer } from './operator.ts';

/** Appends to `.cache/cluster/e2e/seen.txt`. */
export function saw(fault: string, answer: Answer | string): void {
  const text =
    typeof answer === 'string'
      ? answer
      : `${answer.stdout}${answer.stderr}[exit ${answer.code} after ${answer.seconds.toFixed(1)}s]\n`;
  mkdirSync(SCRATCH, { recursive: true });
  appendFileSync(join(SCRATCH, 'seen.txt'), `\n### ${fault}\n${text}`);
}
