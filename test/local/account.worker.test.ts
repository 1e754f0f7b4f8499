/** What becomes of a queue when claude's account does not work: for real, with the stand-ins, in every dialect. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  BIN,
  completed,
  makeOwnWorker,
  makeRoot,
  setStandin,
  supervisorsOf,
  type TestWorker,
  until,
} from './worker.ts';

// Real processes, side by side, on a machine that may be busy.
vi.setConfig({ testTimeout: 150_000 });

/** Three issues with a stage that is run again, on a machine that may be busy. */
const LONG_MS = 120_000;

const GOOD = 'a-made-up-token';

/** A worker whose claude takes its token from the worker's secrets at each call, as the image's does. */
function workerWithToken(
  test: Parameters<typeof makeOwnWorker>[0],
  dialect: 'a' | 'b' | 'design',
  standin: Readonly<Record<string, string>> = {},
): TestWorker {
  const dir = makeRoot();
  const bin = join(dirname(dir), 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(
    join(bin, 'claude'),
    `#!/bin/bash\nexport CLAUDE_CODE_OAUTH_TOKEN=$(cat "$WORKER_SECRETS_DIR/CLAUDE_CODE_OAUTH_TOKEN")\nexec ${BIN}/claude "$@"\n`,
  );
  chmodSync(join(bin, 'claude'), 0o755);
  const worker = makeOwnWorker(test, {
    dir,
    dialect,
    // What fails looks like success after this.
    standin: { STANDIN_FACTORY_SILENT_SECONDS: '3', STANDIN_CLAUDE_WORK_SECONDS: '0.3', ...standin },
    spec: { binDirs: [bin, BIN] },
  });
  setToken(worker, GOOD);
  return worker;
}

function setToken({ layout }: TestWorker, token: string): void {
  const path = join(layout.dirs.WORKER_SECRETS_DIR, 'CLAUDE_CODE_OAUTH_TOKEN');
  writeFileSync(path, `${token}\n`);
}

async function standing(worker: TestWorker): Promise<string[]> {
  return (await worker.rows()).map(({ issue, status }) => `${issue} ${status}`);
}

const everythingCompleted = (worker: TestWorker) => async () =>
  (await worker.rows()).every(({ status }) => status === 'completed');

const heldFor = (worker: TestWorker, cause: string) => () => worker.heartbeat()?.account?.cause === cause;

/** Whether the agent has really worked on it. */
async function commits(worker: TestWorker, issue: number): Promise<number> {
  const { stdout } = await worker.run(['git', 'rev-list', '--count', `main..feature/issue-${issue}`]);
  return Number(stdout.toString());
}

/** Long enough that the supervisor hears of a failure before factory looks. */
const SLOW_LOOK = { STANDIN_FACTORY_POLL_SECONDS: '2' };

describe.concurrent.each(['a', 'b', 'design'] as const)('a token that is refused, dialect %s', (dialect) => {
  it('keeps the queue as it is, and a new one lets it go on without an operator', async (test) => {
    const worker = workerWithToken(test, dialect, SLOW_LOOK);
    await worker.start();
    for (const issue of [1, 2]) await worker.add(issue);
    await until('the first two completed', everythingCompleted(worker));
    setToken(worker, 'bad-made-up-token');
    for (const issue of [3, 4, 5]) await worker.add(issue);

    await until('held', heldFor(worker, 'token-refused'));
    expect(worker.heartbeat()).toMatchObject({
      state: 'refused',
      reason: expect.stringMatching(
        /^token refused: claude does not accept its token, so no work is taken; claude is asked again at /,
      ),
      account: { sessions: ['3-implement-1'], text: expect.stringContaining('401') },
    });
    expect(await standing(worker)).toEqual([
      '1 completed',
      '2 completed',
      '3 active',
      '4 pending',
      '5 pending',
    ]);

    setToken(worker, 'another-made-up-token');
    await until('everything completed', everythingCompleted(worker), Boolean, LONG_MS);
    expect(worker.repairs()).toMatchObject([
      { issue: 3, stage: 'implement', attempt: 1, session: '3-implement-1', action: 'run-again' },
    ]);
    for (const issue of [3, 4, 5]) expect(await commits(worker, issue)).toBe(1);
    expect((await worker.pipelines()).map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1, 1]);
    expect(worker.heartbeat()?.account).toBeNull();
    expect(worker.log()).toContain('check-in in demo: ended: its stage cannot work (');
  });
});

describe.concurrent.each(['a', 'b'] as const)('while no supervisor runs, dialect %s', (dialect) => {
  it('a stage that cannot work is blocked, and the next supervisor sets it going', async (test) => {
    const worker = workerWithToken(test, dialect, { STANDIN_CLAUDE_QUIET_SECONDS: '1' });
    setToken(worker, 'bad-made-up-token');
    await worker.start();
    await worker.add(3);
    await until('a session', async () => (await worker.sessions()).includes('3-implement-1'));
    for (const pid of supervisorsOf(worker)) process.kill(pid, 'SIGKILL');
    await until('blocked', async () => (await worker.pipelines())[0]?.status === 'blocked');

    await worker.start();
    await until('held', heldFor(worker, 'token-refused'));
    setToken(worker, GOOD);
    await until('completed', completed(worker, 3));
    expect(worker.repairs()).toMatchObject([{ issue: 3, attempt: 1, action: 'retry' }]);
    expect(await commits(worker, 3)).toBe(1);
  });
});

describe.concurrent.each(['a', 'b'] as const)('a limit, dialect %s', (dialect) => {
  it('holds until its time; who removes account.json lets the worker go on before', async (test) => {
    const worker = workerWithToken(test, dialect, {
      ...SLOW_LOOK,
      STANDIN_CLAUDE_FAILURE: 'rate_limit',
      STANDIN_CLAUDE_FAILURE_TEXT: "You've hit your limit · resets 11:59pm (Pacific/Kiritimati)",
    });
    await worker.start();
    await worker.add(3);
    await until('held', heldFor(worker, 'limit'));
    expect(worker.heartbeat()?.reason).toMatch(
      /^limit until (\d{4}-\d\d-\d\d )?09:59 UTC: claude's account has hit/,
    );

    setStandin(worker, 'STANDIN_CLAUDE_FAILURE=');
    rmSync(join(worker.layout.dirs.WORKER_STATE_DIR, 'account.json'));
    await until('completed', completed(worker, 3));
    expect(worker.repairs()).toMatchObject([{ issue: 3, attempt: 1, action: 'run-again' }]);
    expect(await commits(worker, 3)).toBe(1);
  });
});

describe.concurrent('an error that is not the account’s', () => {
  it('blocks its issue for a person, and holds nothing else', async (test) => {
    const worker = workerWithToken(test, 'a', {
      STANDIN_CLAUDE_FAILURE: 'invalid_request',
      STANDIN_CLAUDE_FAILURE_TEXT: "There's an issue with the selected model (none)",
    });
    await worker.start();
    await worker.add(3);
    await until('blocked', async () => (await worker.pipelines())[0]?.status === 'blocked');
    await until('looked again', () => worker.heartbeat()?.state === 'waiting');
    expect(worker.heartbeat()?.account).toBeNull();
    expect(worker.repairs()).toEqual([]);
    expect(worker.log()).toContain(
      "#3 failed in stage implement: claude said: There's an issue with the selected model (none) (invalid_request)",
    );
  });
});

describe.concurrent.each(['a', 'b'] as const)('a prompt that never arrives, dialect %s', (dialect) => {
  it('makes no stage a success: it is run again', async (test) => {
    const root = makeRoot();
    const deaf = join(dirname(root), 'deaf');
    writeFileSync(deaf, '');
    const worker = workerWithToken(test, dialect, {
      STANDIN_CLAUDE_DEAF: deaf,
      // The real program waits longer than a minute.
      STANDIN_FACTORY_STABLE_SECONDS: '25',
    });
    await worker.start();
    await worker.add(3);
    await until('completed', completed(worker, 3), Boolean, LONG_MS);
    expect(await commits(worker, 3)).toBe(1);
    expect(worker.repairs()).toMatchObject([{ issue: 3, attempt: 1, action: 'run-again' }]);
    expect(worker.log()).toMatch(/#3 failed in stage implement: claude: it was asked nothing \(unheard\)/);
    expect(worker.log()).toMatch(/probed claude's account: it works/);
  });
});
