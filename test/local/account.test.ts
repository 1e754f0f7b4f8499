/** What becomes of a queue when claude's account does not work: for real, with the stand-ins, in every dialect. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { BIN, completed, makeOwnWorker, makeRoot, type TestWorker, until } from './worker.ts';

// Real processes, side by side, on a machine that may be busy.
vi.setConfig({ testTimeout: 150_000 });

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

/** Whether the agent has really worked on it. */
async function commits(worker: TestWorker, issue: number): Promise<number> {
  const { stdout } = await worker.run(['git', 'rev-list', '--count', `main..feature/issue-${issue}`]);
  return Number(stdout.toString());
}

describe.concurrent.each(['a', 'b', 'design'] as const)('a token that is refused, dialect %s', (dialect) => {
  it('keeps the queue as it is, and a new one lets it go on without an operator', async (test) => {
    const worker = workerWithToken(test, dialect);
    await worker.start();
    for (const issue of [1, 2]) await worker.add(issue);
    await until(
      'the first two completed',
      async () => (await completed(worker, 2)()) && (await completed(worker, 1)()),
    );
    setToken(worker, 'bad-made-up-token');
    for (const issue of [3, 4, 5]) await worker.add(issue);

    await until('held', () => worker.heartbeat()?.account?.cause === 'token-refused');
    expect(worker.heartbeat()).toMatchObject({
      state: 'refused',
      reason: expect.stringMatching(/^token refused: claude does not accept its token, so no work is taken/),
      account: { sessions: ['3-implement-1'], text: expect.stringContaining('401') },
    });
    expect(await standing(worker)).toEqual([
      '1 completed',
      '2 completed',
      '3 active',
      '4 pending',
      '5 pending',
    ]);
    expect((await worker.pipelines()).map(({ issue, status }) => [issue, status])).toEqual([
      [1, 'completed'],
      [2, 'completed'],
      [3, 'blocked'],
    ]);

    setToken(worker, 'another-made-up-token');
    await until(
      'everything completed',
      async () => (await worker.rows()).every(({ status }) => status === 'completed'),
      90,
    );
    expect(worker.repairs()).toMatchObject([{ issue: 3, stage: 'implement', attempt: 1, action: 'retry' }]);
    for (const issue of [3, 4, 5]) expect(await commits(worker, issue)).toBe(1);
    expect(worker.heartbeat()?.account).toBeNull();
    const failures = readFileSync(join(worker.layout.dirs.WORKER_STATE_DIR, 'claude-failures.jsonl'), 'utf8');
    expect(
      failures
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).error),
    ).toEqual(['authentication_failed']);
  });
});
