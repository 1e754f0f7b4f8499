/**
 * A question that stands for longer than `factory` waits for a quiet pane, and longer than the stage's time-out, while the
 * supervisor is replaced. Played with the stand-in for claude (question.worker.test.ts) and with the real one (test/agents).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, type TestContext } from 'vitest';
import { answer } from '../../scripts/answer.ts';
import { DEFAULT_SETTINGS } from '../../scripts/lib/contract.ts';
import { list } from '../../scripts/list.ts';
import { status } from '../../scripts/status.ts';
import { why } from '../../scripts/why.ts';
import { run } from '../support/run-command.ts';
import { laptopOf, setToken } from './interrupted-queue.ts';
import { makeOwnWorker, makeRoot, ownPrograms, supervisorsOf, type TestWorker, until } from './worker.ts';

/** The quiet time after which the stand-in for factory takes a stage for finished, and the stage's time-out. */
export const LIMIT_SECONDS = 20;

const pipeline = (limitSeconds: number) => `pipeline:
  name: demo
  repo: github.com/example/demo
  defaults:
    timeout: ${limitSeconds}s
  stages:
    - id: implement
      type: agent
`;

/** @param programs the texts of those that are found before the stand-ins, as of a claude; the stand-in asks by itself */
export function makeAskingWorker(
  test: Pick<TestContext, 'onTestFinished'>,
  dialect: 'a' | 'b',
  {
    programs = {},
    standin = {},
    limitSeconds = LIMIT_SECONDS,
  }: {
    readonly programs?: Readonly<Record<string, string>>;
    readonly standin?: Readonly<Record<string, string>>;
    readonly limitSeconds?: number;
  } = {},
): TestWorker {
  const dir = makeRoot();
  const settings = {
    ...DEFAULT_SETTINGS,
    orchestrator: { enabled: true, intervalSeconds: 1 },
    claude: { askUserQuestion: true },
  };
  const worker = makeOwnWorker(test, {
    dir,
    dialect,
    pipeline: pipeline(limitSeconds),
    standin: {
      STANDIN_FACTORY_STABLE_SECONDS: `${limitSeconds}`,
      STANDIN_FACTORY_SILENT_SECONDS: `${limitSeconds}`,
      STANDIN_FACTORY_POLL_SECONDS: '2',
      STANDIN_CLAUDE_MODE: 'ask',
      // Otherwise the Enter after a prompt may come so late that it answers the question.
      STANDIN_CLAUDE_QUIET_SECONDS: '3',
      ...standin,
    },
    spec: { settings, binDirs: ownPrograms(dir, programs) },
  });
  setToken(worker, 'a-made-up-token');
  return worker;
}

/** Plays one issue to its end. */
export async function playQuestion(worker: TestWorker, limitSeconds = LIMIT_SECONDS): Promise<void> {
  const laptop = laptopOf(worker);
  await worker.start();
  await worker.add(9);
  const paused = () => worker.heartbeat()?.asks;
  await until('the check-in is paused', paused, (session) => session === '9-implement-1');
  const pausedAt = Date.now();

  const told = 'the session 9-implement-1 asks a question, and its stage waits until it is answered';
  const { stdout } = await run(list, [], laptop);
  expect(stdout).toMatch(/w1 .*degraded/);
  expect((await run(status, ['w1'], laptop)).stdout).toContain(told);
  expect((await run(why, ['w1'], laptop)).stdout).toContain(told);

  for (const pid of supervisorsOf(worker)) process.kill(pid, 'SIGKILL');
  await worker.start();
  // Nothing happens in this time, which is the point.
  await sleep(pausedAt + (limitSeconds + 5) * 1000 - Date.now());
  expect(await worker.rows()).toMatchObject([{ issue: 9, status: 'active' }]);
  expect(await worker.pipelines()).toMatchObject([{ status: 'in_progress', sessionState: 'active' }]);
  expect((await run(answer, ['w1'], laptop)).stdout).toContain('Which colour?');

  expect(await run(answer, ['w1', '--choice', '2'], laptop)).toMatchObject({ code: 0, stderr: '' });
  await until(
    'completed',
    () => worker.rows(),
    ([row]) => row?.status === 'completed',
  );
  expect(await worker.pipelines()).toMatchObject([{ status: 'completed', attempt: 1 }]);
  const { stdout: commits } = await worker.run(['git', 'rev-list', '--count', 'main..feature/issue-9']);
  expect(Number(commits)).toBe(1);
  const { stdout: log } = await worker.run([
    'find',
    worker.layout.home,
    '-name',
    'session.log',
    '-exec',
    'cat',
    '{}',
    ';',
  ]);
  expect(log.toString()).toContain('Which colour? → Blue');
  expect(worker.repairs()).toEqual([]);
  await until('no question any more', paused, (asks) => !asks);
}
