/** What is printed can be typed again, on a real worker: issues by every name, sessions as a word or a flag, no WORKER at all. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answer } from '../../scripts/answer.ts';
import { attach } from '../../scripts/attach.ts';
import { cleanup } from '../../scripts/cleanup.ts';
import { dispatch } from '../../scripts/dispatch.ts';
import { logs } from '../../scripts/logs.ts';
import { peek } from '../../scripts/peek.ts';
import { queue } from '../../scripts/queue.ts';
import { retire } from '../../scripts/retire.ts';
import { send } from '../../scripts/send.ts';
import { sessions } from '../../scripts/sessions.ts';
import { unstick } from '../../scripts/unstick.ts';
import { wait } from '../../scripts/wait.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker({ projects: ['demo', 'shop'] });
  await worker.bash('git -C "$WORKER_REPOS_DIR/demo" remote add origin https://github.com/acme/demo.git');
  await worker.bash('printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux start-server');
});
afterEach(() => worker.reset());
afterAll(() => worker.remove());

const env = () => worker.laptop;

describe('an issue as it is printed', () => {
  it('says the project of a dispatch: a range, and the address of an issue', async () => {
    const range = await run(dispatch, ['w', '-i', 'demo#25-26', '--intent', 'x'], { env: env() });
    expect([range.code, range.stdout]).toEqual([
      0,
      'demo#25 queued: place 1 of 2\ndemo#26 queued: place 2 of 2, behind demo#25\n',
    ]);
    const address = 'https://github.com/acme/demo/issues/27#issuecomment-1';
    expect((await run(dispatch, ['w', '-i', address, '--intent', 'x'], { env: env() })).code).toBe(0);
    expect(await worker.rows()).toEqual(['25 pending', '26 pending', '27 pending']);
  });

  it.each([
    [['-p', 'shop', '-i', 'demo#25'], 'error: one command is about one project; not about demo and shop\n'],
    [['-i', 'other/demo#25'], 'error: demo of w is https://github.com/acme/demo.git, not other/demo\n'],
    [['-i', 'nosuch#25'], 'error: w has no project nosuch\n'],
  ])('is refused in a dispatch where it is of another project: %j', async (args, message) => {
    const { code, stderr } = await run(dispatch, ['w', ...args, '--intent', 'x'], { env: env() });
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(await worker.rows()).toEqual([]);
  });

  it('names a row of the queue, an issue to wait for, to unstick and to clean up after', async () => {
    await run(dispatch, ['w', '-i', 'demo#25', '--intent', 'x'], { env: env() });
    const wrong = [
      await run(queue, ['w', 'remove', 'shop#25', '--yes'], { env: env() }),
      await run(wait, ['w', 'issue:shop#25'], { env: env() }),
      await run(unstick, ['w', 'shop#25'], { env: env() }),
      await run(cleanup, ['w', '--issue', 'shop#25', '--dry-run'], { env: env() }),
    ];
    for (const { code, stderr } of wrong) {
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining('error: #25 of w is demo#25, not shop#25\n'),
      ]);
    }
    expect((await run(unstick, ['w', 'demo#25'], { env: env() })).stdout).toContain('#25');
    expect((await run(cleanup, ['w', '--issue', '#25', '--dry-run'], { env: env() })).code).toBe(0);
    expect((await run(queue, ['w', 'remove', 'demo#25', '--yes'], { env: env() })).code).toBe(0);
    expect(await worker.rows()).toEqual([]);
  });
});

describe('a session', () => {
  beforeAll(() => worker.bash('tmux new-session -d -s 23-qa-1 cat'));
  afterAll(() => worker.bash('tmux kill-session -t 23-qa-1'));

  it.each(['w qa', 'w --session qa', '-s qa w'])('is a word or a flag: %s', async (typed) => {
    const given = typed.split(' ');
    const here = { env: env() };
    expect((await run(peek, [...given, '-o', 'json'], here)).stdout).toContain('"session": "23-qa-1"');
    expect((await run(send, [...given, 'text', '--dry-run'], here)).stdout).toContain('into 23-qa-1');
    expect((await run(answer, given, here)).stderr).toContain('23-qa-1 has no question now');
    expect((await run(logs, given, here)).stderr).toContain('nothing is recorded of 23-qa-1 yet');
    expect((await run(attach, given, here)).stderr).toContain('factory-worker peek w --session qa');
  });

  it('is given once', async () => {
    const { code, stderr } = await run(peek, ['w', 'qa', '--session', 'qa'], { env: env() });
    expect([code, stderr]).toEqual([2, expect.stringContaining('unexpected argument "qa"')]);
  });

  it('has one JSON in peek and in sessions', async () => {
    const [one, other] = [
      JSON.parse((await run(peek, ['w', '-o', 'json'], { env: env() })).stdout),
      JSON.parse((await run(sessions, ['w', '-o', 'json'], { env: env() })).stdout),
    ];
    expect(one).toEqual(other);
    expect(one).toMatchObject([{ name: '23-qa-1', stage: 'qa', issue: 23, human: expect.any(Boolean) }]);
  });
});

describe('a missing WORKER', () => {
  it('is the one in $FACTORY_WORKER, also before the other words', async () => {
    const here = { env: { ...env(), FACTORY_WORKER: 'w' } };
    expect((await run(sessions, [], here)).stderr).toContain('w has no sessions');
    expect((await run(unstick, ['99'], here)).stdout).toContain('there is no #99 on w');
    expect((await run(queue, [], here)).stderr).toBe('the queue of w is empty\n');
    expect((await run(dispatch, ['-i', 'demo#7', '--intent', 'x'], here)).stdout).toContain('demo#7 queued');
  });

  it('and one in $FACTORY_WORKER that does not exist is a usage error', async () => {
    const { code, stderr } = await run(queue, [], { env: { ...env(), FACTORY_WORKER: 'gone' } });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^error: \$FACTORY_WORKER: no worker "gone" in /),
    ]);
  });

  it('lists the names; on a terminal they are a menu', async () => {
    const { code, stderr } = await run(queue, [], { env: env() });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^error: WORKER is missing\n {2}workers: w, worker-1\n.*FACTORY_WORKER=NAME\n/),
    ]);
    const chosen = await run(queue, [], {
      env: env(),
      tty: true,
      keys: [{ after: 'Which worker?', type: '\r' }],
    });
    expect([chosen.code, chosen.stderr]).toEqual([0, expect.stringContaining('the queue of w is empty\n')]);
  });

  it('is never a default for what takes a worker away', async () => {
    const { code, stderr } = await run(retire, ['--dry-run'], { env: { ...env(), FACTORY_WORKER: 'w' } });
    expect([code, stderr]).toEqual([2, expect.stringContaining('WORKER is missing')]);
  });
});
