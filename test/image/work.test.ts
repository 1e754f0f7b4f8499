/** Issues that are worked on: in every dialect, and through the death of the container in the middle of a stage. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { removeWorkers, startWorker, until, type Worker, type WorkerOptions } from './worker.ts';

const ROOT = join(import.meta.dirname, '../..');
let origins = '';
beforeAll(() => {
  origins = mkdtempSync(join(tmpdir(), 'fw-origin-'));
  execFileSync(join(ROOT, 'examples/demo/make-origin.sh'), [join(origins, 'demo.git')]);
});
afterAll(() => rmSync(origins, { recursive: true, force: true }));
afterEach(removeWorkers);

const QUICK = [
  'STANDIN_FACTORY_BOOT_SECONDS=0.5',
  'STANDIN_FACTORY_POLL_SECONDS=0.5',
  'STANDIN_CLAUDE_QUIET_SECONDS=0.5',
];
const CLONE = '/root/.factory/repos/demo';
const ADD = {
  design: 'factory queue add --project demo --issue 23 --intent x',
  a: 'factory queue add 23 --intent x',
  b: `factory queue add 23 --config ${CLONE}/pipeline.yaml --intent x`,
  c: `factory queue add 23 --config ${CLONE}/pipeline.yaml --intent x`,
} as const;

async function start(
  dialect: keyof typeof ADD,
  more: readonly string[] = [],
  settings: NonNullable<WorkerOptions['settings']> = {},
): Promise<Worker> {
  const worker = await startWorker({
    docker: false,
    // As `make test-image` builds them; the program for PostgreSQL tells itself by its content.
    image: `factory-worker:${dialect === 'c' ? 'postgres' : 'standins'}`,
    settings,
    projects: [{ name: 'demo', repo: '/origins/demo.git', branch: null, config: 'pipeline.yaml' }],
    standin: [`STANDIN_FACTORY_DIALECT=${dialect}`, ...QUICK, ...more],
    args: ['--volume', `${origins}:/origins`],
  });
  await until('the clone', async () => (await worker.phase('clones'))?.status === 'ok');
  return worker;
}

/** A build for PostgreSQL finds its database by a variable that `docker exec` does not set. */
const IN_CLONE = `export DATABASE_URL="$(cat "$WORKER_RUN_DIR/database-url" 2>/dev/null)"; cd ${CLONE}`;

/** Under the queue's lock, as dispatch does it: first calls on a fresh store may not meet. */
const add = (worker: Worker, dialect: keyof typeof ADD) =>
  worker.must(
    `${IN_CLONE} && flock --close "$WORKER_STATE_DIR/locks/queue" ${ADD[dialect]} >&2 && printf '{"issue":23,"project":"demo","at":"2026-01-01T00:00:00Z","by":"test"}\\n' >>"$WORKER_STATE_DIR/dispatch.jsonl"`,
  );

/** What `factory NOUN VERB` lists; nothing while it does not answer. */
async function list<T>(worker: Worker, words: string): Promise<T[]> {
  const { stdout } = await worker.sh(`${IN_CLONE} && factory ${words} --format json`);
  return (JSON.parse(stdout || '[]') as T[] | null) ?? [];
}

const statuses = async (worker: Worker) =>
  (await list<{ readonly Status: string }>(worker, 'queue list')).map(({ Status }) => Status);

/** Of every issue that was taken up, the stages that have ended, each as often as it did. */
const stages = async (worker: Worker) =>
  (await list<{ readonly stage_history: { readonly stage: string }[] }>(worker, 'status')).map(
    ({ stage_history }) => stage_history.map(({ stage }) => stage),
  );

describe.each(['design', 'a', 'b', 'c'] as const)('dialect %s', (dialect) => {
  test('an issue is finished, once, although the node dies in the middle of a stage', async () => {
    const worker = await start(dialect, ['STANDIN_CLAUDE_WORK_SECONDS=6']);
    await add(worker, dialect);
    await until(
      'a stage at work',
      async () => (await worker.sh('tmux list-sessions -F "#{session_name}"')).stdout.includes('23-'),
      60,
    );
    await until('its agent', async () => (await worker.sh('pgrep --full libexec/claude')).code === 0, 30);
    await worker.crash();
    await worker.start();
    await until('the issue', async () => (await statuses(worker))[0] === 'completed', 110);
    expect(await statuses(worker)).toHaveLength(1);
    expect(await stages(worker)).toEqual([['implement', 'qa', 'review']]);
    // What the sessions had printed is still there.
    expect(await worker.must('ls "$WORKER_STATE_DIR/logs/sessions"')).toContain('23-implement-1');
  }, 240_000);
});

test('SIGTERM lets the running stage end, then everything ends in order, with 0', async () => {
  const worker = await start('a', ['STANDIN_CLAUDE_WORK_SECONDS=8']);
  await add(worker, 'a');
  await until('its agent', async () => (await worker.sh('pgrep --full libexec/claude')).code === 0, 60);
  const { code } = await worker.stop(120);
  const logs = await worker.logs();
  expect(code, logs).toBe(0);
  const steps = [...logs.matchAll(/ stop ([a-z -]+?) \d/gi)].map(([, step]) => step);
  expect(steps).toEqual([
    'tell attached clients',
    'wait for the running stage',
    'end the check-in',
    'end the agents',
    'stop the containers',
    'stop Docker',
    'end tmux',
    'release the lock',
  ]);
  expect(logs).toMatch(/stop wait for the running stage \S+: check-in in demo has ended/);
});

test('a stage that takes longer than the grace period: everything ends in order inside it, and the issue goes on', async () => {
  const graceSeconds = 25;
  const worker = await start('a', ['STANDIN_CLAUDE_WORK_SECONDS=600'], {
    shutdown: { waitForStageSeconds: 1200, graceSeconds },
  });
  await add(worker, 'a');
  await until('its agent', async () => (await worker.sh('pgrep --full libexec/claude')).code === 0, 60);
  // After so many seconds Docker kills what is left, as a kubelet does: exit code 137.
  const { code } = await worker.stop(graceSeconds);
  const logs = await worker.logs();
  expect(code, logs).toBe(0);
  expect(logs).toMatch(/stop wait for the running stage \S+: check-in in demo did not end in time/);
  expect(logs).toMatch(/stop end the agents \S+: 23-implement-1/);
  expect(logs).toContain('stop release the lock');
  await worker.start();
  await until('the repair', async () =>
    (await worker.logs()).includes('repair: #23 was interrupted in stage implement'),
  );
});

test('with Docker: agents, then containers, then dockerd, then tmux', async () => {
  const worker = await startWorker();
  await worker.ready();
  mkdirSync(join(worker.state, 'x'), { recursive: true });
  await worker.must(
    'tar -c -C /bin busybox 2>/dev/null | docker import - tiny || tar -c -C /usr/bin tini | docker import - tiny',
  );
  await worker.must('docker run --detach --name c tiny /tini -- /tini -h || true');
  const { code, seconds } = await worker.stop(60);
  const logs = await worker.logs();
  expect(code, logs).toBe(0);
  expect(seconds).toBeLessThan(30);
  expect(logs.indexOf('stop end the agents')).toBeLessThan(logs.indexOf('stop stop the containers'));
  expect(logs.indexOf('stop stop Docker')).toBeLessThan(logs.indexOf('stop end tmux'));
  // It starts again, and nothing of it was killed.
  await worker.start();
  await worker.ready();
});
