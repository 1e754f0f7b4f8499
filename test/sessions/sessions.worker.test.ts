import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sessions } from '../../scripts/sessions.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker({ projects: ['demo'] });
  await worker.bash('printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux start-server');
});
afterEach(() => worker.bash(`tmux list-sessions -F '#{session_id}' | xargs -r -n 1 tmux kill-session -t`));
afterAll(() => worker.remove());

const look = (...args: string[]) => run(sessions, ['w', ...args], { env: worker.laptop });
const session = (name: string, command = 'cat') =>
  worker.bash(`tmux new-session -d -s '${name}' bash -c '${command}'`);

/** The stand-in never finds a person; the real program answers so when somebody has typed. */
async function withPersonIn(name: string): Promise<() => Promise<unknown>> {
  const bin = join(worker.dir, 'bin');
  await mkdir(join(worker.dir, 'real'), { recursive: true });
  await worker.bash(`mv "${bin}/factory" "${worker.dir}/real/factory"`);
  await writeFile(
    join(bin, 'factory'),
    `#!/bin/sh\nif [ "$1 $2 $3" = "session status ${name}" ]; then printf 'Session:   ${name}\\nHuman:     true\\n'; else exec ${worker.dir}/real/factory "$@"; fi\n`,
    { mode: 0o755 },
  );
  return () => worker.bash(`mv "${worker.dir}/real/factory" "${bin}/factory"`);
}

describe('sessions', () => {
  it('says of each its stage, issue, state, ages and who is attached; the orchestrator first', async () => {
    await worker.bash('factory queue add 23 --intent x');
    await session('23-qa-2');
    await session('orchestrator');
    const { code, stdout, stderr } = await look();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.replaceAll(/\d+s/g, 'Ns').replaceAll(/ +/g, ' ')).toBe(
      [
        'NAME STAGE ISSUE STATE OUTPUT AGE ATTACHED HUMAN',
        'orchestrator - - active Ns ago Ns - -',
        '23-qa-2 qa demo#23 active Ns ago Ns - no',
        '',
      ].join('\n'),
    );
  });

  it('as JSON has the same keys always, times with a zone, and is empty as []', async () => {
    expect(await look('--json')).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
    await session('23-qa-2');
    const [row] = JSON.parse((await look('-o', 'json')).stdout);
    expect(row).toEqual({
      name: '23-qa-2',
      stage: 'qa',
      attempt: 2,
      issue: 23,
      project: expect.anything(),
      state: 'active',
      exitCode: null,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      activityAt: expect.stringMatching(/^\d{4}-.*Z$/),
      attached: 0,
      human: false,
    });
    expect((await look('-o', 'name')).stdout).toBe('23-qa-2\n');
  });

  it('counts the terminals that are attached', async () => {
    await session('23-qa-1');
    worker.start("TERM=xterm script --quiet --command 'tmux attach -t =23-qa-1' /dev/null >/dev/null");
    await expect.poll(async () => JSON.parse((await look('-o', 'json')).stdout)[0].attached).toBe(1);
    expect((await look('--no-headers')).stdout).toMatch(/ 1 +no\n$/);
  });

  it('says of a session that factory takes for human-driven what that means', async () => {
    const undo = await withPersonIn('23-qa-1');
    await session('23-qa-1');
    await session('24-qa-1');
    const { stdout, stderr } = await look();
    await undo();
    expect(stdout).toMatch(/^23-qa-1 .* yes$/m);
    expect(stdout).toMatch(/^24-qa-1 .* no$/m);
    expect(stderr).toBe(
      'note: a person has typed into 23-qa-1, so factory leaves #23 alone; finish it there: factory-worker attach w --session 23-qa-1; then hand it back: factory-worker unstick w 23\n',
    );
  });

  it('says where to look when there are none', async () => {
    expect(await look()).toEqual({
      code: 0,
      stdout: '',
      stderr: 'w has no sessions: factory-worker status w says why\n',
    });
  });

  it('of a pod asks once, and of a stopped one says that', async () => {
    await session('23-qa-1');
    const kubectl = fakeKubectl(worker.cluster());
    const env = { ...worker.laptop, KUBECTL: kubectl.path };
    expect((await run(sessions, ['worker-1', '-o', 'name'], { env })).stdout).toBe('23-qa-1\n');
    expect(kubectl.calls().filter(({ argv }) => argv.includes('exec'))).toHaveLength(1);
    kubectl.setRules([
      { match: ['get', 'pods'], stdout: '{"items":[]}' },
      { match: ['get', 'deployment'], stdout: '{"metadata":{},"spec":{"replicas":0}}' },
    ]);
    const stopped = await run(sessions, ['worker-1'], { env });
    kubectl.remove();
    expect([stopped.code, stopped.stdout]).toEqual([1, '']);
    expect(stopped.stderr).toContain('worker-1 is stopped');
  });
});
