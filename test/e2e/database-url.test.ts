/** Workers whose factory keeps its queue in a PostgreSQL of the operator's: `database.kind: url`. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apply, CONTEXT, getObject, KUBECONFIG, kubectl, SCRATCH, until } from './cluster.ts';
import { install, NO_TOKENS, TOKEN, valuesOf, WITH_POSTGRES, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace } from './site.ts';
import { finished, queueOf, readyPod, type TestWorker } from './worker.ts';

const NAMESPACE = 'fwc-database-url';
const folder = join(SCRATCH, 'database-url');
const PASSWORD = 'hush-hush';
const operator = new Operator(join(folder, 'workers.yaml'));
/** Has a Secret of its own. */
const own = workerIn(NAMESPACE, 'own');
/** Its Secret is the release's. */
const inline = workerIn(NAMESPACE, 'inline');
const helmOperator = Operator.of([inline]);
const URL_WORKER = { ...WORKING, ...WITH_POSTGRES, database: { kind: 'url' } };
const SERVER = 'database';

/** PostgreSQL in a pod that is no worker, which listens on the network; its superuser comes in by a socket only. */
const RUN_SERVER = `set -e
cd /
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
bin=$(echo /usr/lib/postgresql/*/bin)
install --directory --owner=postgres /srv/database
as "$bin/initdb" --pgdata=/srv/database/data --username=postgres --auth=trust --no-sync
echo 'local all all trust
host all all all scram-sha-256' >/srv/database/data/pg_hba.conf
exec setpriv --reuid=postgres --regid=postgres --clear-groups "$bin/postgres" -D /srv/database/data \\
  -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off`;

/** Runs SQL as the superuser. @returns the rows, as lines */
async function sql(database: string, statement: string): Promise<string> {
  const psql = ['psql', '-XqAt', '--host=/tmp', '--username=postgres', `--dbname=${database}`];
  const text = await kubectl('-n', NAMESPACE, 'exec', SERVER, '--', ...psql, `--command=${statement}`);
  return text.trim();
}

let address = '';
const url = (database: string, password = PASSWORD) =>
  `postgres://worker:${password}@${address}:5432/${database}`;

/** A file that a flag names. @returns its path */
function fileWith(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  return path;
}

useNamespace(NAMESPACE);
beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  const { repository, tag } = WITH_POSTGRES.image;
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: SERVER, namespace: NAMESPACE },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'postgres',
          image: `${repository}:${tag}`,
          command: ['bash', '-c', RUN_SERVER],
          resources: { requests: { cpu: '50m', memory: '64Mi' } },
        },
      ],
    },
  });
  await until('PostgreSQL answers', 120, () => sql('postgres', 'SELECT 1'));
  await sql('postgres', `CREATE ROLE worker LOGIN PASSWORD '${PASSWORD}'`);
  for (const database of ['first', 'second', 'third', 'fourth'])
    await sql('postgres', `CREATE DATABASE ${database} OWNER worker`);
  const { status } = await getObject<{ status: { podIP: string } }>(NAMESPACE, 'pod', SERVER);
  address = status.podIP;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The issues in a database's queue, as the server itself has them. */
const issuesIn = (database: string) => sql(database, 'SELECT issue FROM issue_queue ORDER BY id');

/** `rotate` of its DATABASE_URL. @returns how it ended, with all that it said */
async function rotate(by: Operator, worker: TestWorker, to: string) {
  const args = ['--database-url-file', fileWith(`url-${worker.name}`, to), '--yes'];
  const answer = await by.type('rotate', worker.name, ...args);
  const said = answer.stdout + answer.stderr;
  expect(said).not.toContain(PASSWORD);
  return { ...answer, said };
}

describe('provision', () => {
  const place = [
    '--timeout',
    '2m',
    '--context',
    CONTEXT,
    '--namespace',
    NAMESPACE,
    '--kubeconfig',
    KUBECONFIG,
  ];
  const provision = (...args: string[]) => {
    const tokens = 'CLAUDE_CODE_OAUTH_TOKEN=hush-1\nGH_TOKEN=hush-2\nGH_USER=factory-bot';
    const secrets = ['--secrets-file', fileWith('tokens', tokens)];
    const values = valuesOf({ ...NO_TOKENS, ...URL_WORKER });
    return operator.type('provision', own.name, ...place, ...values, ...secrets, '--yes', ...args);
  };

  it('asks for the URL', async () => {
    const answer = await provision();
    saw('provision with database.kind url, without its URL', answer);
    expect([answer.code, answer.stderr]).toEqual([
      2,
      expect.stringContaining('DATABASE_URL: --database-url-file'),
    ]);
  });

  it('takes it from a file, says it to nobody, and the queue is in that database', async () => {
    const answer = await provision('--database-url-file', fileWith('url', url('first')));
    saw('provision with database.kind url', answer);
    expect(answer).toExitWith(0);
    expect(answer.stdout + answer.stderr).not.toContain(PASSWORD);
    expect(await operator.dispatch(own, 1)).toExitWith(0);
    await finished(own, 1);
    expect(await issuesIn('first')).toBe('1');
  });
});

describe('rotate of a DATABASE_URL', () => {
  it('in a Secret of its own: the running worker goes over to it', async () => {
    const pod = await readyPod(own);
    const answer = await rotate(operator, own, url('second'));
    saw('rotate of a DATABASE_URL', answer);
    expect(answer).toExitWith(0);
    expect(answer.stdout).toMatch(/DATABASE_URL +next call +\w+ +current/);
    expect(await readyPod(own)).toBe(pod);
    expect(await queueOf(own)).toEqual([]);
    expect(await operator.dispatch(own, 2)).toExitWith(0);
    expect([await issuesIn('first'), await issuesIn('second')]).toEqual(['1', '2']);
  });

  it('is put back when the database refuses its password', async () => {
    const answer = await rotate(operator, own, url('second', 'wrong'));
    saw('rotate of a DATABASE_URL with a wrong password', answer);
    expect([answer.code, answer.said]).toEqual([
      1,
      expect.stringMatching(
        /its database cannot be used: .*own has its old DATABASE_URL \([0-9a-f]{8}\) again/s,
      ),
    ]);
    expect(await queueOf(own)).toEqual([2]);
  });

  it('in the Secret of its release goes through Helm, and the pod is another one', async () => {
    const tokens = { CLAUDE_CODE_OAUTH_TOKEN: TOKEN, GH_TOKEN: TOKEN, GH_USER: 'factory-bot' };
    await install(inline, { ...URL_WORKER, secrets: { inline: { ...tokens, DATABASE_URL: url('third') } } });
    const pod = await readyPod(inline);
    expect(await helmOperator.dispatch(inline, 3)).toExitWith(0);
    await finished(inline, 3);
    const answer = await rotate(helmOperator, inline, url('fourth'));
    saw('rotate of a DATABASE_URL by Helm', answer);
    expect(answer).toExitWith(0);
    await readyPod(inline, pod);
    expect(await queueOf(inline)).toEqual([]);
    expect(await helmOperator.dispatch(inline, 4)).toExitWith(0);
    expect([await issuesIn('third'), await issuesIn('fourth')]).toEqual(['3', '4']);
  });
});
