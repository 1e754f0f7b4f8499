/** A local worker whose factory keeps its state in PostgreSQL, with the real server of this machine. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import type { Boot } from '../../scripts/lib/contract.ts';
import { giveDatabaseUrl } from '../../scripts/lib/local/database-url.ts';
import { processesOf, signalProcess } from '../../scripts/lib/local/processes.ts';
import { stopLocalWorker } from '../../scripts/lib/local/stop.ts';
import { shortHash } from '../../scripts/lib/short-hash.ts';
import { BIN, makeOwnWorker, supervisorsOf, type TestWorker, until } from './worker.ts';

/** A build that only knows whether its database answers; each call is a row. */
const FACTORY = `#!/usr/bin/env bash
# github.com/jackc/pgx
set -Eeuo pipefail
case "$1 $2" in
  'queue add') STANDIN_FACTORY_DIALECT=b exec ${BIN}/factory "$@" ;;
  *)
    echo "$*" >>"$HOME/calls"
    # As the real program, which opens the database by itself, it puts the URL into no command line.
    [[ $DATABASE_URL =~ ^postgres:///(.+)\\?host=(.+)\\&port=(.+)\\&user=(.+)$ ]]
    export PGDATABASE=\${BASH_REMATCH[1]} PGHOST=\${BASH_REMATCH[2]} PGPORT=\${BASH_REMATCH[3]} PGUSER=\${BASH_REMATCH[4]}
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \\
      --command "CREATE TABLE IF NOT EXISTS calls (words text)" --command "INSERT INTO calls VALUES ('$*')" 2>/dev/null \\
      || { echo "ping database: failed to connect" >&2; exit 1; }
    echo null
    ;;
esac
`;

function makePostgresWorker(test: Pick<TestContext, 'onTestFinished'>): TestWorker {
  const worker = makeOwnWorker(test);
  const bin = join(worker.dir, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'factory'), FACTORY, { mode: 0o755 });
  // The tests may be root, and the server is another user then, who has to get to its folder.
  chmodSync(dirname(worker.dir), 0o711);
  const file = worker.layout.workerFile;
  const prepared = JSON.parse(readFileSync(file, 'utf8'));
  prepared.env.PATH = `${bin}:${prepared.env.PATH}`;
  prepared.env.WORKER_PATH = prepared.env.PATH;
  writeFileSync(file, JSON.stringify(prepared));
  return worker;
}

const data = ({ layout }: TestWorker) => join(layout.dirs.WORKER_STATE_DIR, 'postgres', 'data');
const boot = ({ layout }: TestWorker): Boot => JSON.parse(readFileSync(layout.bootFile, 'utf8'));
const serverPid = (worker: TestWorker): number =>
  Number(readFileSync(join(data(worker), 'postmaster.pid'), 'utf8').split('\n')[0]);
const urlFile = ({ layout }: TestWorker) => join(layout.dirs.WORKER_RUN_DIR, 'database-url');
const ready = (worker: TestWorker) => () => worker.heartbeat()?.database?.state === 'ready';

async function query(worker: TestWorker, sql: string): Promise<string> {
  const url = readFileSync(urlFile(worker), 'utf8').trim();
  const { stdout, stderr } = await worker.run(['psql', '-XqAt', url, '-c', sql], '/');
  return stdout.toString().trim() || stderr;
}

describe.concurrent('a worker with a PostgreSQL build', () => {
  it('gets a server of its own, which nobody else can reach', async (test) => {
    const worker = makePostgresWorker(test);
    expect(await worker.start()).toMatchObject({ outcome: 'started' });
    const { databaseSocketDir, dirs } = worker.layout;
    expect(boot(worker)).toMatchObject({
      database: { kind: 'postgres', state: 'ready' },
      phases: expect.arrayContaining([expect.objectContaining({ name: 'database', status: 'ok' })]),
    });
    await until('the loop', ready(worker));
    const url = `postgres:///factory?host=${databaseSocketDir}&port=5432&user=factory`;
    expect(readFileSync(urlFile(worker), 'utf8')).toBe(`${url}\n`);
    expect(statSync(urlFile(worker)).mode & 0o777).toBe(0o600);
    expect(statSync(data(worker)).mode & 0o777).toBe(0o700);
    expect(await query(worker, 'SHOW listen_addresses')).toBe('');
    expect(
      await query(worker, 'SELECT current_user, usesuper FROM pg_user WHERE usename = current_user'),
    ).toBe('factory|f');
    // The first call came alone, before those of the loop.
    expect(await query(worker, 'SELECT words FROM calls LIMIT 1')).toBe('queue list --format json');
    // In the environment of panes, never in a command line.
    const { stdout } = await worker.run(['tmux', 'show-environment', '-g', 'DATABASE_URL'], '/');
    expect(stdout.toString().trim()).toBe(`DATABASE_URL=${url}`);
    // During several calls of the loop, since most programs run for a moment only.
    const calls = () => readFileSync(join(worker.layout.home, 'calls'), 'utf8').split('\n').length;
    const told = new Set<string>();
    const before = calls();
    await until('more calls', () => {
      for (const { argv } of processesOf(dirs.WORKER_STATE_DIR))
        if (argv.some((word) => word.includes('postgres:'))) told.add(argv.join(' '));
      return calls() >= before + 5;
    });
    expect([...told]).toEqual([]);
  });

  it('is stopped last and completely, and its data is there at the next start', async (test) => {
    const worker = makePostgresWorker(test);
    await worker.start();
    await query(worker, "CREATE TABLE kept AS SELECT 'still here' AS said");
    await stopLocalWorker(worker.dir);
    expect(worker.log()).toMatch(
      /stop end tmux [\s\S]* stop stop the database \d\.\ds\n[^\n]*release the lock/,
    );
    expect(existsSync(join(data(worker), 'postmaster.pid'))).toBe(false);
    expect(existsSync(worker.layout.databaseSocketDir)).toBe(false);
    // As a mount with fsGroup or a restore may leave it; PostgreSQL would refuse such a folder.
    chmodSync(data(worker), 0o770);
    expect(await worker.start()).toMatchObject({ outcome: 'started' });
    expect(await query(worker, 'SELECT said FROM kept')).toBe('still here');
  });

  it('gets its server back after a crash, and takes no work meanwhile', async (test) => {
    const worker = makePostgresWorker(test);
    await worker.start();
    await until('the loop', ready(worker));
    const before = serverPid(worker);
    signalProcess(before, worker.layout.dirs.WORKER_STATE_DIR, 'SIGKILL');
    await until('its end', () => worker.heartbeat()?.database?.state === 'down');
    expect(worker.heartbeat()).toMatchObject({
      database: {
        kind: 'postgres',
        says: expect.stringMatching(
          /^PostgreSQL ended with exit code 137: .*\(tried again in 1\.0s, attempt 1\)$/,
        ),
      },
    });
    await until('its return', ready(worker));
    expect(serverPid(worker)).not.toBe(before);
    expect(boot(worker).phases.find(({ name }) => name === 'database')).toMatchObject({ status: 'ok' });
    expect(await query(worker, 'SELECT 1')).toBe('1');
  });

  it('keeps its server when only the supervisor is killed', async (test) => {
    const worker = makePostgresWorker(test);
    await worker.start();
    const before = serverPid(worker);
    for (const pid of supervisorsOf(worker))
      signalProcess(pid, worker.layout.dirs.WORKER_STATE_DIR, 'SIGKILL');
    await until('its end', () => supervisorsOf(worker).length === 0);
    expect(await worker.start()).toMatchObject({ outcome: 'started' });
    expect(serverPid(worker)).toBe(before);
    await stopLocalWorker(worker.dir);
    expect(existsSync(join(data(worker), 'postmaster.pid'))).toBe(false);
  });

  it('uses the database of the operator where there is a URL, and starts no server', async (test) => {
    const [owner, guest] = [makePostgresWorker(test), makePostgresWorker(test)];
    await owner.start();
    const url = readFileSync(urlFile(owner), 'utf8').trim();
    const path = JSON.parse(readFileSync(guest.layout.workerFile, 'utf8')).env.PATH;
    expect(giveDatabaseUrl(guest.layout, path, url)).not.toBeNull();
    expect(await guest.start()).toMatchObject({ outcome: 'started' });
    expect(boot(guest).database).toEqual({ kind: 'url', state: 'ready', urlHash: shortHash(url) });
    expect(existsSync(dirname(data(guest)))).toBe(false);
    expect(await query(guest, 'SELECT count(*) > 1 FROM calls')).toBe('t');
    // Another one in the Secret is taken up while the worker runs.
    expect(await query(owner, 'CREATE DATABASE second')).toBe('');
    const second = url.replace('/factory?', '/second?');
    giveDatabaseUrl(guest.layout, path, second);
    const shown = async () =>
      (await guest.run(['tmux', 'show-environment', '-g', 'DATABASE_URL'], '/')).stdout.toString().trim();
    await until('the new URL', async () => (await shown()) === `DATABASE_URL=${second}`);
    expect(readFileSync(urlFile(guest), 'utf8')).toBe(`${second}\n`);
    expect(existsSync(`${urlFile(guest)}.tmux`)).toBe(false);
    expect(await query(guest, 'SELECT current_database(), count(*) > 0 FROM calls')).toBe('second|t');
    const database = await until(
      'the heartbeat says which',
      () => guest.heartbeat()?.database,
      (said) => said?.urlHash === shortHash(second),
    );
    expect(database).toEqual({ kind: 'url', state: 'ready', urlHash: shortHash(second) });
    // One that does not work is told by its hash, and the one before is used again as soon as it is back.
    const third = url.replace('/factory?', '/third?');
    giveDatabaseUrl(guest.layout, path, third);
    await until('the refusal', () => {
      const { state, urlHash } = boot(guest).database ?? {};
      return state === 'down' && urlHash === shortHash(third);
    });
    giveDatabaseUrl(guest.layout, path, second);
    await until('the second URL again', () => boot(guest).database?.state === 'ready');
    expect(boot(guest).database).toEqual({ kind: 'url', state: 'ready', urlHash: shortHash(second) });
  });

  it('begins again after an initdb that was interrupted', async (test) => {
    const worker = makePostgresWorker(test);
    const unfinished = `${data(worker)}.new`;
    mkdirSync(join(unfinished, 'base'), { recursive: true });
    writeFileSync(join(unfinished, 'PG_VERSION'), '15\n');
    expect(await worker.start()).toMatchObject({ outcome: 'started' });
    expect(readdirSync(dirname(unfinished))).toEqual(['data']);
  });
});
