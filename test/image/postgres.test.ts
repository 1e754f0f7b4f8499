/** A worker whose factory keeps its state in PostgreSQL. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { docker, removeWorkers, startWorker, until, type Worker, type WorkerOptions } from './worker.ts';

const folders: string[] = [];

afterEach(async () => {
  await removeWorkers();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A build that only knows whether its database answers. */
const FACTORY = `#!/usr/bin/env bash
# github.com/jackc/pgx
case "$1 $2" in
  'queue add') echo '      --intent string   feature intent' ;;
  *) psql --no-psqlrc --quiet "$DATABASE_URL" --command 'CREATE TABLE IF NOT EXISTS calls (at timestamptz)' >&2 && echo null ;;
esac
`;

/** Arguments of `docker run` that put it into the place of the image's program. */
function instead(): string[] {
  const folder = makeFolder();
  writeFileSync(join(folder, 'factory'), FACTORY);
  chmodSync(join(folder, 'factory'), 0o755);
  return ['--volume', `${folder}/factory:/usr/local/bin/factory:ro`];
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fw-pg-'));
  folders.push(folder);
  return folder;
}

async function startPostgresWorker(options: WorkerOptions = {}): Promise<Worker> {
  const worker = await startWorker({ docker: false, args: instead(), ...options });
  await worker.ready();
  return worker;
}

const database = async (worker: Worker) => (await worker.boot()).database;
const postmaster = (worker: Worker) =>
  worker.must('head -n 1 /root/.factory/worker/postgres/data/postmaster.pid');
const query = (worker: Worker, sql: string) =>
  worker.must('psql -XqAt "$(cat /run/factory-worker/database-url)" -c "$1"', sql);

describe.each([true, false])('a PostgreSQL build, privileged: %s', (privileged) => {
  test('has a server of its own: not root, no port, spared when memory is short', async () => {
    const worker = await startPostgresWorker({ privileged });
    expect(await database(worker)).toEqual({ kind: 'postgres', state: 'ready' });
    const pid = await postmaster(worker);
    expect(await worker.must(`stat --format %U /proc/${pid}`)).toBe('postgres');
    expect(await query(worker, 'SHOW listen_addresses')).toBe('');
    const score = Number(await worker.must(`cat /proc/${pid}/oom_score_adj`));
    expect(score).toBeLessThanOrEqual(0);
    const backend = await worker.must(`pgrep --parent ${pid} | head -n 1`);
    expect(Number(await worker.must(`cat /proc/${backend}/oom_score_adj`))).toBe(score);
    const pane = await worker.must('tmux show-environment -g DATABASE_URL');
    expect(pane).toBe(
      'DATABASE_URL=postgres:///factory?host=/run/factory-worker/postgres&port=5432&user=factory',
    );
  });
});

test('its data outlives a node that dies, and the server is stopped last', async () => {
  const worker = await startPostgresWorker();
  await query(worker, "CREATE TABLE kept AS SELECT 'still here' AS said");
  await worker.crash();
  await worker.start();
  await worker.ready();
  expect(await query(worker, 'SELECT said FROM kept')).toBe('still here');
  const { code } = await worker.stop(60);
  const logs = await worker.logs();
  expect(code, logs).toBe(0);
  expect(logs).toMatch(/stop end tmux [^\n]*\n[^\n]*stop stop the database \d\.\ds\n/);
});

test('a killed server comes back, and the worker is not ready meanwhile', async () => {
  const worker = await startPostgresWorker();
  const pid = await postmaster(worker);
  await worker.must(`kill -KILL ${pid}`);
  await until('its end', async () => (await worker.health('ready')).startsWith('fail: the database: '));
  await until('its return', async () => (await worker.health('ready')) === 'ok');
  expect(await postmaster(worker)).not.toBe(pid);
});

test('an idle server takes little memory', async () => {
  const worker = await startPostgresWorker();
  const kilobytes = await worker.must(
    "ps --user postgres --format rss --no-headers | awk '{ sum += $1 } END { print sum }'",
  );
  expect(Number(kilobytes)).toBeLessThan(80 * 1024);
});

test('an image without a server says so, and what to do', async () => {
  const name = 'factory-worker:no-postgres';
  const context = makeFolder();
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM factory-worker:standins\nRUN rm -rf /usr/lib/postgresql\n',
  );
  await docker('build', '--quiet', '--tag', name, context);
  const worker = await startWorker({ image: name, docker: false, args: instead() });
  await until('the phase', async () => (await worker.phase('database'))?.status === 'failed');
  expect((await worker.phase('database'))?.message).toMatch(
    /there is no PostgreSQL server here: use an image that was built with postgresql-15, or give a DATABASE_URL/,
  );
  await until('tmux all the same', async () => (await worker.sh('tmux has-session -t =boot')).code === 0);
  await docker('image', 'rm', '--force', name);
});
