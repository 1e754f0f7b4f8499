import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseUsage } from '../../scripts/lib/housekeeping/usage.ts';
import { usage } from '../../scripts/usage.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';
import { frame } from '../worker/samples.ts';

let worker: HandWorker;
beforeAll(async () => {
  worker = await handWorker();
  await worker.bash(
    'cd "$WORKER_REPOS_DIR/demo" && git worktree add -q worktrees/issue-23 -b feature/issue-23',
  );
  await writeFile(join(worker.repos, 'demo', 'worktrees', 'issue-23', 'big'), Buffer.alloc(3 << 20, 1));
  await mkdir(join(worker.state, 'logs', 'sessions'), { recursive: true });
  await writeFile(join(worker.state, 'logs', 'sessions', '23-qa-1.log'), Buffer.alloc(2 << 20, 1));
});
afterAll(() => worker.remove());

describe('usage', () => {
  it('measures disk, worktrees, clones and logs; a worktree is not counted with its clone', async () => {
    const { code, stdout, stderr } = await run(usage, ['w', '-o', 'json'], { env: worker.laptop });
    expect([code, stderr]).toEqual([0, '']);
    const [{ name, error, usage: found }] = JSON.parse(stdout);
    expect([name, error]).toEqual(['w', null]);
    expect(found).toMatchObject({
      disk: { sizeBytes: expect.any(Number), freeBytes: expect.any(Number) },
      dockerDisk: null,
      memory: null,
      docker: null,
      worktrees: [{ name: 'demo#23' }],
      clones: [{ name: 'demo' }],
    });
    expect(Math.floor(found.worktrees[0].bytes / (1 << 20))).toBe(3);
    expect(found.clones[0].bytes).toBeLessThan(1 << 20);
    expect(Math.floor(found.logsBytes / (1 << 20))).toBe(2);
  });

  it('is a table, for one worker with the largest things below it', async () => {
    const { stdout } = await run(usage, ['w'], { env: worker.laptop });
    expect(stdout).toMatch(
      /^NAME +DISK +DOCKER-DISK +MEMORY +DOCKER +WORKTREES +CLONES +LOGS\nw +\d+% of \d\S+ +- +- +- +1, 3\.\dMiB +1, \d\S+ +2\.\dMiB\n\nWHAT +SIZE +NOTE\nworktree demo#23 +3\.\dMiB\nlogs +2\.\dMiB\n/,
    );
  });

  it('of several, one that cannot be asked is a row, a reason, and exit 3', async () => {
    const kubectl = fakeKubectl([
      { match: ['get', 'pods'], code: 1, stderr: 'Unable to connect to the server: dial tcp: i/o timeout\n' },
    ]);
    const { code, stdout, stderr } = await run(usage, ['--no-headers'], {
      env: { ...worker.laptop, KUBECTL: kubectl.path },
    });
    kubectl.remove();
    expect(code).toBe(3);
    expect(stdout).toMatch(/^w +\d+% of .*\nworker-1 +\? +\? .*\n$/);
    expect(stderr).toMatch(/^cannot list the pods of worker-1 .*Unable to connect to the server/);
  });

  it('tells a cluster that does not answer once', async () => {
    const kubectl = fakeKubectl([
      { match: ['get', 'pods'], code: 1, stderr: 'Unable to connect to the server: dial tcp: i/o timeout\n' },
    ]);
    const file = join(worker.dir, 'two.yaml');
    const entry = (name: string, namespace: string) =>
      `  - {name: ${name}, pod: ${name}, namespace: ${namespace}, context: prod}\n`;
    await writeFile(file, `workers:\n${entry('a', 'one')}${entry('b', 'two')}`);
    const { code, stderr } = await run(usage, [], {
      env: { ...worker.laptop, FACTORY_WORKERS: file, KUBECTL: kubectl.path },
    });
    kubectl.remove();
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /^2 workers unreachable \(context prod, namespaces one and two\): i\/o timeout\n {2}\S.*\n$/,
    );
  });

  it('of a pod tells memory and Docker too', () => {
    const df = (used: number) =>
      `Filesystem 1-blocks Used Available Capacity Mounted\n/dev/x 100 ${used} ${100 - used} x /v`;
    const found = parseUsage(
      frame({
        disk: df(40),
        'docker-disk': df(90),
        memory: 'pod 0 1000 9223372036854771712\ndocker 1 500 2000',
        docker: '{"Type":"Build Cache","Size":"2GB","Reclaimable":"1.5GB"}',
        sizes: 'worktree\tdemo#23\t5\nlogs\t\t7',
      }),
    );
    expect(found).toMatchObject({
      disk: { freeBytes: 60 },
      dockerDisk: { freeBytes: 10 },
      memory: { usedBytes: 1000, limitBytes: null },
      docker: [{ type: 'Build Cache', bytes: 2e9, reclaimableBytes: 1.5e9 }],
      worktrees: [{ name: 'demo#23', bytes: 5 }],
      logsBytes: 7,
    });
  });
});
