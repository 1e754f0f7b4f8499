/**
 * What docs/daily-work.md shows is what the commands print: every block that begins with `$ npx tsx scripts/…` is run, in order,
 * on the quickstart's worker. Times, ages, hashes, the worker's folder, and whether a session is idle may differ, and so may all that follows a line `…`.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { makeFolder } from '../support/janitor.ts';
import { until } from '../support/until.ts';
import { startTryWorker, type TryWorker } from './try-worker.ts';

const PAGE = join(packageRoot(), 'docs', 'daily-work.md');

interface Shown {
  readonly command: string;
  readonly output: readonly string[];
}

function shownIn(markdown: string): Shown[] {
  const blocks = [...markdown.matchAll(/^```\n(\$ npx tsx scripts\/[\s\S]*?)^```/gm)].map(
    ([, block = '']) => block,
  );
  return (
    blocks
      .flatMap((block) => block.split(/^\$ /m).filter((part) => part.trim() !== ''))
      .map((part) => {
        const [command = '', ...output] = part.trimEnd().split('\n');
        return { command, output };
      })
      // A menu waits for a key: attach.worker.test.ts presses it.
      .filter(({ output }) => !output.some((line) => line.startsWith('? ')))
  );
}

function stable(line: string): string {
  return line
    .replaceAll(/\S*\/\.quickstart\//g, '…/.quickstart/')
    .replaceAll(/\b\d{2}:\d{2}:\d{2}\b/g, 'TIME')
    .replaceAll(/\b\d+(?:\.\d)?(?:ms|s|m|h|d)\b/g, 'AGE')
    .replaceAll(/\b[0-9a-f]{7,40}\b/g, 'HASH')
    .replaceAll(/\b(?:active|idle) - last output/g, 'STATE - last output')
    .replaceAll(/ {2,}/g, '  ')
    .trimEnd();
}

/** The lines of a shown output, as far as they are meant to be the same. */
function expected(output: readonly string[]): string[] {
  const cut = output.indexOf('…');
  return (cut < 0 ? output : output.slice(0, cut)).map(stable);
}

let worker: TryWorker;
beforeAll(async () => {
  worker = startTryWorker(await makeFolder('docs-'));
  await type(
    'npx tsx scripts/dispatch.ts try --project demo --issue 1 --intent "Users get: Say goodbye on exit"',
  );
  await until('the agent stays at review', async () =>
    (await type('npx tsx scripts/peek.ts try --session review')).includes('still at stage review'),
  );
});
afterAll(() => worker.down());

function type(command: string): Promise<string> {
  return new Promise((resolve) => {
    execFile('bash', ['-c', `${command} 2>&1`], { env: worker.env, cwd: packageRoot() }, (_error, stdout) => {
      resolve(stdout);
    });
  });
}

const SHOWN = shownIn(readFileSync(PAGE, 'utf8'));

it('there is something to run', () => expect(SHOWN.length).toBeGreaterThan(5));

it.each(SHOWN)('$command', async ({ command, output }) => {
  const wanted = expected(output);
  const lines = async () => (await type(command)).trimEnd().split('\n').slice(0, wanted.length).map(stable);
  // A look is repeated while the worker comes that far; a change is made once.
  if (command.includes('scripts/dispatch.ts')) expect(await lines()).toEqual(wanted);
  else await expect.poll(lines).toEqual(wanted);
});
