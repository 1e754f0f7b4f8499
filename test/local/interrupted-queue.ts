/**
 * A queue of ten issues, interrupted three times: at the third the token is refused until there is another, at the sixth the
 * limit is hit until it resets, at the ninth the agent has a question, which is answered from the laptop. Played with the
 * stand-in for claude (interrupted-queue.worker.test.ts) and with the real one (test/agents).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext } from 'vitest';
import { answer } from '../../scripts/answer.ts';
import { DEFAULT_SETTINGS } from '../../scripts/lib/contract.ts';
import { list } from '../../scripts/list.ts';
import { watchWorkers } from '../../scripts/watch.ts';
import { why } from '../../scripts/why.ts';
import { type RunOptions, run } from '../support/run-command.ts';
import { makeOwnWorker, makeRoot, ownPrograms, type TestWorker, until } from './worker.ts';

/** The issue at which each interruption happens. */
export const AT = { refused: 3, limit: 6, question: 9 } as const;
export const NEW_TOKEN = 'another-made-up-token';

const ISSUES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/** From one interruption to the next: some stages, or the minutes until a limit has reset, on a machine that may be busy. */
export const STRETCH_MS = 8 * 60_000;
/** For the whole queue. */
export const QUEUE_MS = 2 * STRETCH_MS;

type Test = Pick<TestContext, 'onTestFinished'>;

/** @param programs the text of its claude, and of others that are found before the stand-ins */
export function makeInterruptedWorker(
  test: Test,
  dialect: 'a' | 'b',
  programs: (dir: string) => Readonly<Record<string, string>>,
  standin: Readonly<Record<string, string>>,
): TestWorker {
  const dir = makeRoot();
  const binDirs = ownPrograms(dir, programs(dir));
  const settings = {
    ...DEFAULT_SETTINGS,
    orchestrator: { enabled: true, intervalSeconds: 1 },
    claude: { askUserQuestion: true },
  };
  const worker = makeOwnWorker(test, { dir, dialect, standin, spec: { binDirs, settings } });
  setToken(worker, 'a-made-up-token');
  return worker;
}

export function setToken({ layout }: TestWorker, token: string): void {
  writeFileSync(join(layout.dirs.WORKER_SECRETS_DIR, 'CLAUDE_CODE_OAUTH_TOKEN'), `${token}\n`);
}

/** Plays the ten issues to their end. @param stretchMs a limit for each stretch */
export async function playInterruptedQueue(
  test: Test,
  worker: TestWorker,
  stretchMs = STRETCH_MS,
): Promise<void> {
  const laptop = laptopOf(worker);
  await worker.start();
  for (const issue of ISSUES) await worker.add(issue);
  const notices = watch(test, worker, laptop);

  await heldFor(worker, 'token-refused', stretchMs);
  expect(await standing(worker)).toEqual(standingAt(AT.refused));
  const refused = 'token refused: claude does not accept its token, so no work is taken';
  await isTold(laptop, refused);
  await until('the notice', notices, (seen) => seen.some((notice) => notice.includes(refused)));

  setToken(worker, NEW_TOKEN);
  await heldFor(worker, 'limit', stretchMs);
  expect(await standing(worker)).toEqual(standingAt(AT.limit));
  await isTold(laptop, /limit until \d\d:\d\d UTC: claude's account has hit its limit/);

  // The real claude has a dialog about its limit, too.
  const asked = async () => (await run(answer, ['w1'], laptop)).stdout;
  await until('the question', asked, (seen) => seen.includes('Which colour?'), stretchMs);
  expect(await standing(worker)).toEqual(standingAt(AT.question));
  expect(await run(answer, ['w1', '--choice', '2'], laptop)).toMatchObject({ code: 0, stderr: '' });

  await until(
    'every issue completed',
    () => standing(worker),
    (rows) => rows.every(isCompleted),
    stretchMs,
  );
  for (const issue of ISSUES) expect([issue, await commitsOf(worker, issue)]).toEqual([issue, 1]);
  expect((await worker.pipelines()).map(({ attempt }) => attempt)).toEqual(ISSUES.map(() => 1));
  expect(worker.repairs().filter(({ action }) => action === 'give-up')).toEqual([]);
  expect(notices().filter((notice) => notice.includes(refused))).toHaveLength(1);
  expect(notices().filter((notice) => /limit until/.test(notice))).toHaveLength(1);
}

const isCompleted = (row: string) => row.endsWith(' completed');

/** How the rows stand while one is interrupted: those before it are completed, and none has failed. */
function standingAt(interrupted: number): string[] {
  return ISSUES.map((issue) => {
    if (issue === interrupted) return `${issue} active`;
    return `${issue} ${issue < interrupted ? 'completed' : 'pending'}`;
  });
}

async function standing(worker: TestWorker): Promise<string[]> {
  return (await worker.rows()).map(({ issue, status }) => `${issue} ${status}`);
}

async function heldFor(worker: TestWorker, cause: string, stretchMs: number): Promise<void> {
  const held = () => worker.heartbeat()?.account?.cause;
  await until(`held for ${cause}`, held, (seen) => seen === cause, stretchMs);
}

async function commitsOf(worker: TestWorker, issue: number): Promise<number> {
  const { stdout } = await worker.run(['git', 'rev-list', '--count', `main..feature/issue-${issue}`]);
  return Number(stdout.toString());
}

/** What a command on the operator's laptop finds: this worker, and a program that shows notices. */
export function laptopOf({ dir }: TestWorker): RunOptions {
  const home = join(dir, '..', 'laptop');
  const bin = join(home, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'notify-send'), `#!/bin/sh\nprintf '%s\\n' "$4" >>'${home}/notices'\n`, {
    mode: 0o755,
  });
  writeFileSync(join(home, 'workers.yaml'), `workers:\n  - {name: w1, runtime: local, home: ${dir}}\n`);
  writeFileSync(join(home, 'notices'), '');
  const PATH = `${bin}:${process.env['PATH']}`;
  return { env: { HOME: home, PATH, FACTORY_WORKERS: join(home, 'workers.yaml') } };
}

/** Follows the worker until the test has ended. @returns the texts of the notices so far */
function watch(test: Test, { dir }: TestWorker, laptop: RunOptions): () => string[] {
  const interrupt = new AbortController();
  const ended = run(watchWorkers, ['w1', '--notify', '--interval', '1s'], { ...laptop, interrupt });
  test.onTestFinished(async () => {
    interrupt.abort();
    await ended;
  });
  return () => readFileSync(join(dir, '..', 'laptop', 'notices'), 'utf8').split('\n');
}

/** `list` and `why` tell it in one sentence. */
async function isTold(laptop: RunOptions, sentence: string | RegExp): Promise<void> {
  for (const { stdout, stderr } of [await run(list, [], laptop), await run(why, ['w1'], laptop)])
    expect(stdout + stderr).toMatch(sentence);
}
