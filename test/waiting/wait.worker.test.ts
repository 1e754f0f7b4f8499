import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseGoal } from '../../scripts/lib/waiting/waiting.ts';
import { wait } from '../../scripts/wait.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type RunOptions, run } from '../support/run-command.ts';
import { heldHeartbeat, pipelinesJson, queueJson, snapshot } from '../worker/samples.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker();
  await worker.bash(
    'printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux new-session -d -s orchestrator cat',
  );
});
afterEach(() => worker.reset());
afterAll(() => worker.remove());

const waitFor = (args: readonly string[], options: RunOptions = {}) =>
  run(wait, ['w', ...args], { env: worker.laptop, ...options });
const checkIn = 'cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in --format json';

describe('what is waited for', () => {
  const held = heldHeartbeat({ sessions: ['23-qa-1'] });
  const blocked = pipelinesJson({ issue: 23, status: 'blocked', stage: 'qa', session: '23-qa-1' });
  it.each([
    ['idle', {}, 'reached', 'nothing is queued'],
    ['idle', { queue: queueJson([23, 'completed'], [24, 'failed']) }, 'reached', 'nothing is queued'],
    ['idle', { queue: queueJson([23, 'active'], [24, 'pending']) }, 'open', 'still to do: demo#23, demo#24'],
    ['idle', { pipelines: pipelinesJson({ issue: 9 }) }, 'open', 'still to do: #9'],
    [
      'idle',
      { queue: queueJson([23, 'active']), pipelines: blocked },
      'never',
      'demo#23 is blocked at stage qa',
    ],
    ['idle', { pipelines: blocked }, 'never', '#23 is blocked at stage qa'],
    ['idle', { pipelines: blocked, heartbeat: held }, 'open', 'still to do: #23'],
    ['issue:23=completed', { queue: queueJson([23, 'completed']) }, 'reached', 'demo#23 is completed'],
    ['issue:23', { queue: queueJson([23, 'completed']) }, 'reached', 'demo#23 is completed'],
    ['issue:23=completed', { queue: queueJson([23, 'pending']) }, 'open', 'demo#23 waits in the queue'],
    ['issue:23=completed', { queue: queueJson([23, 'failed']) }, 'never', 'demo#23 has failed'],
    ['issue:23=completed', {}, 'never', '#23 is not in the queue'],
    ['issue:23=failed', { queue: queueJson([23, 'failed']) }, 'reached', 'demo#23 has failed'],
    ['issue:23=failed', { queue: queueJson([23, 'completed']) }, 'never', 'demo#23 is completed'],
    [
      'issue:23=failed',
      { queue: queueJson([23, 'active']), pipelines: blocked },
      'never',
      'demo#23 is blocked at stage qa',
    ],
    [
      'issue:23=ended',
      { queue: queueJson([23, 'active']), pipelines: blocked },
      'reached',
      'demo#23 is blocked at stage qa',
    ],
    ['issue:23=ended', { queue: queueJson([23, 'active']) }, 'open', 'demo#23 waits in the queue'],
  ] as const)('%s of %j is %s', (word, parts, state, says) => {
    expect(parseGoal(word).judge(snapshot(parts))).toEqual({ state, says });
  });

  it('an issue that was there and is not has been taken out', () => {
    const goal = parseGoal('issue:23=completed');
    goal.judge(snapshot({ queue: queueJson([23, 'pending']) }));
    expect(goal.judge(snapshot())).toEqual({ state: 'never', says: '#23 was taken out of the queue' });
  });
});

describe('wait', () => {
  it('ends with 0 when the issue is completed and the worker idle, saying each change once', async () => {
    await worker.bash('factory queue add 23 --intent x');
    const { code, stdout, stderr } = await waitFor(['issue:23=completed', 'idle', '-o', 'json'], {
      meanwhile: [{ after: 'still to do', act: () => worker.bash(`${checkIn}; ${checkIn}`) }],
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      schema: 1,
      worker: 'w',
      reached: true,
      conditions: [
        { condition: 'issue:23=completed', state: 'reached', says: 'demo#23 is completed' },
        { condition: 'idle', state: 'reached', says: 'nothing is queued' },
      ],
    });
    expect(stderr).toMatch(
      /^demo#23 waits in the queue\nstill to do: demo#23\n[\s\S]*demo#23 is completed\nnothing is queued\n$/,
    );
    expect(stderr.match(/demo#23 is completed/g)).toHaveLength(1);
  });

  it('ends with 1 at once when it can no longer be reached, and names what explains it', async () => {
    expect(await waitFor(['issue:99=completed'])).toEqual({
      code: 1,
      stdout: '',
      stderr: '#99 is not in the queue\nwhy, and what to type: factory-worker why w\n',
    });
  });

  it('ends with 124 when the time is over; the work goes on', async () => {
    await worker.bash('factory queue add 23 --intent x');
    const { code, stderr } = await waitFor(['idle', '--wait-timeout', '1s']);
    expect([code, stderr]).toEqual([124, expect.stringContaining('not idle within 1s; the work continues')]);
  });

  it('goes on waiting while the worker does not answer, and while its queue cannot be read', async () => {
    await worker.bash('factory queue add 23 --intent x');
    const [pods = {}, exec = {}] = worker.cluster();
    const down = { code: 1, stderr: 'Unable to connect to the server: dial tcp: i/o timeout\n', stdout: '' };
    const kubectl = fakeKubectl([{ ...pods, times: 1, ...down }, pods, exec]);
    const binary = `${worker.dir}/bin/factory`;
    await worker.bash(`mv "${binary}" "${binary}.away"`);
    const { code, stderr } = await run(wait, ['worker-1', 'issue:23'], {
      env: { ...worker.laptop, KUBECTL: kubectl.path },
      meanwhile: [
        {
          after: 'factory cannot',
          act: () => worker.bash(`mv "${binary}.away" "${binary}"; ${checkIn}; ${checkIn}`),
        },
      ],
    });
    kubectl.remove();
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^note: .*Unable to connect[^\n]*\nnote: factory cannot [\s\S]*demo#23 is completed\n$/,
    );
  });

  it.each([
    ['nothing', /cannot wait for "nothing"/],
    ['issue:x=completed', /issue: takes an issue such as 23/],
    ['issue:23=complete', /not "complete"\n {2}did you mean completed/],
  ])('%s: exit 2', async (word, message) => {
    const { code, stderr } = await waitFor([word]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
