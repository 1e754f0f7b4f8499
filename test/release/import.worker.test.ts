/**
 * A release from a build with SQLite to one with PostgreSQL, with its queue. Worker, stand-in, SQLite and PostgreSQL are real; the
 * cluster is the fake kubectl, whose roll gives the worker the other `factory`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildPushRollout } from '../../scripts/build-push-rollout.ts';
import { type ReleaseRecord, readRecords, saveRecord } from '../../scripts/lib/release/record.ts';
import { partsOfScript } from '../../scripts/lib/transport/scripts.ts';
import { rollback } from '../../scripts/rollback.ts';
import { type FakeKubectl, fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { needs } from '../support/needs.ts';
import { POSTGRES_BIN, Postgres } from '../support/postgres.ts';
import { run } from '../support/run-command.ts';
import { until } from '../support/until.ts';
import { pod, podList, running } from '../transport/cluster.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const BIN = join(ROOT, 'examples', 'bin');
const IMAGES = {
  b: `registry.example.com/factory-worker@sha256:${'1'.repeat(64)}`,
  c: `registry.example.com/factory-worker@sha256:${'2'.repeat(64)}`,
} as const;
const ADD = (issue: number, intent = `it's ${issue}`, project = 'demo') =>
  `factory queue add ${issue} --config "$WORKER_REPOS_DIR/${project}/pipeline.yaml" --intent "${intent}"`;
const STATUS = (issue: number, status: string) =>
  `sqlite3 "$HOME/.factory/factory.db" "UPDATE issue_queue SET status = '${status}' WHERE issue = ${issue}"`;
const COMPLETED = `psql -Xqc "UPDATE issue_queue SET status = 'completed'" "$DATABASE_URL"`;

describe('with PostgreSQL', needs(POSTGRES_BIN !== null, 'postgresql'), () => {
  let server: Postgres;
  let worker: HandWorker;
  let kubectl: FakeKubectl;
  let env: NodeJS.ProcessEnv;
  let url: string;
  let pods = 0;
  beforeAll(async () => {
    server = await Postgres.start();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    url = await server.createDatabase();
    worker = await handWorker({ dialect: 'b', projects: ['demo', 'gone'] });
    kubectl = fakeKubectl();
    env = { ...worker.laptop, KUBECTL: kubectl.path, XDG_STATE_HOME: join(worker.dir, 'records') };
    // At rest, and seen by its loop, whenever it is drained.
    const heartbeat = { schema: 1, state: 'drained', reason: null, pid: 1, project: null, actions: [] };
    const times = { startedAt: new Date().toISOString(), finishedAt: new Date().toISOString() };
    await worker.write('run/heartbeat.json', JSON.stringify({ ...heartbeat, ...times, intervalSeconds: 30 }));
    becomes('b');
  });
  afterEach(async () => {
    kubectl.remove();
    await worker.remove();
  });

  /** What another image makes of the worker: a new pod with its `factory`. @param before bash that runs before that program */
  function becomes(build: 'b' | 'c', before = ''): void {
    const isPostgres = build === 'c';
    const program = join(BIN, isPostgres ? 'factory-postgres' : 'factory');
    const path = join(worker.dir, 'bin', 'factory');
    rmSync(path);
    if (before === '') symlinkSync(program, path);
    else
      writeFileSync(path, `#!/bin/bash\n# github.com/jackc/pgx\n${before}\nexec ${program} "$@"\n`, {
        mode: 0o755,
      });
    const put = (name: string, text: string) => writeFileSync(join(worker.dir, name), text);
    put('home/.factory-standin', `STANDIN_FACTORY_DIALECT=${build}\n`);
    put('run/database-url', isPostgres ? `${url}\n` : '');
    const at = new Date().toISOString();
    const boot = {
      schema: 1,
      bootId: 'b',
      podUid: null,
      image: null,
      startedAt: at,
      finishedAt: at,
      phases: [],
    };
    const database = isPostgres && { database: { kind: 'postgres', state: 'ready' } };
    put('run/boot.json', JSON.stringify({ ...boot, ...database }));
    if (isPostgres) worker.env['DATABASE_URL'] = url;
    else delete worker.env['DATABASE_URL'];
    const containers = [{ name: 'worker', image: IMAGES[build] }];
    const deployment = {
      kind: 'Deployment',
      metadata: { name: 'factory-worker-1' },
      spec: { replicas: 1, template: { spec: { containers } } },
    };
    const metadata = { ...pod().metadata, uid: `pod-${++pods}` };
    kubectl.setRules([
      { match: ['set', 'image'] },
      { match: ['deployments,statefulsets'], stdout: JSON.stringify({ items: [deployment] }) },
      { match: ['get', 'events'], stdout: '{"items":[]}' },
      { match: ['logs'] },
      { match: ['get', 'pods'], stdout: podList(pod({ containers, metadata, status: running() })) },
      ...worker.cluster({ survives: true }),
    ]);
  }

  const ROLLOUT = ['rollout', 'worker-1', '--image', IMAGES.c, '--no-prepull', '--allow-state-migration'];
  const release = (argv: readonly string[], before = '') =>
    run(buildPushRollout, [...ROLLOUT, '--yes', ...argv], {
      env,
      meanwhile: [
        { after: 'worker-1: rolling to', act: () => becomes('c', before) },
        // It is being rolled back.
        { after: 'worker-1: the old pod is stopping', act: () => becomes('b') },
      ],
    });
  const last = () => readRecords(env).at(-1) as ReleaseRecord;
  /** Open: 9, 10 (in the middle of its start), 3 (without an intent), 4 (after 9); 7 has begun; 6 waits for 2, which has failed. */
  const fill = () =>
    worker.bash(
      `${ADD(1)}; ${ADD(2)}; ${ADD(9)}; ${ADD(7)}; ${ADD(10)}; ${ADD(3, '-')}; factory queue set-intent 3 ''
       ${ADD(4)} --depends-on 9; ${ADD(6)} --depends-on 2
       ${STATUS(1, 'completed')}; ${STATUS(2, 'failed')}; ${STATUS(7, 'active')}; ${STATUS(10, 'active')}
       mkdir -p "$HOME/.factory/pipelines/acme/demo/7" && echo '{"status":"in_progress"}' >"$HOME/.factory/pipelines/acme/demo/7/pipeline.json"`,
    );
  const ROWS = ['9 pending', '10 pending', '3 pending', '4 pending'];
  const isDrained = async () => (await worker.bash('ls "$WORKER_STATE_DIR"')).split('\n').includes('drain');

  it('is planned, refused without the flag, and carries the open rows over', async () => {
    await fill();
    const planned = await release(['--import', '--dry-run']);
    expect([planned.code, planned.stdout]).toEqual([
      0,
      expect.stringMatching(
        /release-facts.*\n.*release-import {2}# 6 rows: demo#7, demo#10, demo#9, demo#3, demo#4, demo#6\n.*resume/,
      ),
    ]);
    const refused = await release([]);
    expect(refused.stderr).toMatch(
      /the queue is not carried over: demo#7[\s\S]*or have them imported: the same command with --import\n/,
    );
    expect([last().state, await isDrained()]).toEqual(['rolled-back', false]);
    const done = await release(['--import']);
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('worker-1: runs ')]);
    expect(done.stderr).toMatch(
      /worker-1: 4 rows imported\nworker-1: demo#7 goes on by its pipeline.*\nworker-1: demo#6 was left out.*--issue 6\n/,
    );
    expect([await worker.rows(), await isDrained()]).toEqual([ROWS, false]);
    const rows = JSON.parse(await worker.bash('factory queue list --format json'));
    expect(rows.map((row: Record<string, unknown>) => [row['FeatureIntent'], row['DependsOn']])).toEqual([
      ["it's 9", null],
      ["it's 10", null],
      ['', null],
      ["it's 4", [9]],
    ]);
    expect(last()).toMatchObject({
      state: 'done',
      imports: last().id,
      imported: { added: 4, goesOn: ['demo#7'], waits: ['demo#6'] },
    });
    // Back, when they are done: SQLite still has them as they were, and they are not started once more.
    const back = (argv: readonly string[] = []) =>
      run(rollback, ['worker-1', '--no-prepull', '--yes', ...argv], {
        env,
        meanwhile: [{ after: 'worker-1: rolling to', act: () => becomes('b') }],
      });
    expect((await back()).stderr).toMatch(/open rows are not carried over: demo#9, demo#10, demo#3, demo#4/);
    await worker.bash(COMPLETED);
    expect((await back(['--dry-run'])).stdout).toMatch(/release-import-undo/);
    const rolledBack = await back();
    expect([rolledBack.code, rolledBack.stderr]).toEqual([
      0,
      expect.stringContaining('SQLite again, without the 5 rows that went on in PostgreSQL'),
    ]);
    expect(await worker.rows()).toEqual(['1 completed', '2 failed', '6 pending']);
  });

  it('that is cut and killed in the middle adds each row once, and keeps what others added', async () => {
    await worker.bash(
      `${ADD(1)}; ${ADD(2)}; ${ADD(3, '-')}; factory queue set-intent 3 ''; ${ADD(4)}; ${ADD(5)}`,
    );
    // The last time that it had PostgreSQL: rows of then are not to be worked on.
    becomes('c');
    await worker.bash(`${ADD(2, 'of then')}; ${ADD(88)}`);
    becomes('b');
    const cut = `if [ "$1 $2 $3" = 'queue set-intent 3' ]; then kill -9 0; fi`;
    const first = await release(['--import'], cut);
    expect([first.code, first.stderr]).toEqual([
      1,
      expect.stringMatching(
        /the release stopped at the step "import", and worker-1 is drained[\s\S]*the same command again continues from there\n(?!.*resume)/,
      ),
    ]);
    expect(await worker.rows()).toEqual(['1 pending', '2 pending', '3 pending']);
    await worker.bash(`factory queue remove 1; ${ADD(99)}`);
    // A process that is killed: its script in the worker goes on, and the next one waits for it.
    const [amid, goOn] = [join(worker.dir, 'amid'), join(worker.dir, 'go-on')];
    becomes(
      'c',
      `if [ "$1 $2 $3" = 'queue add 5' ]; then touch ${amid}; until [ -e ${goOn} ]; do sleep 0.1; done; fi`,
    );
    const argv = [join(ROOT, 'scripts', 'build-push-rollout.ts'), ...ROLLOUT, '--yes'];
    // That of the first is this process, which lives.
    saveRecord(env, { ...last(), pid: 0 });
    const child = spawn(process.execPath, ['--import', 'tsx', ...argv], {
      cwd: ROOT,
      env: { ...process.env, ...env, FACTORY_WORKER_TRANSPORT: 'kubectl' },
      stdio: 'ignore',
    });
    await until('it is amid the import', () => existsSync(amid));
    child.kill('SIGKILL');
    await once(child, 'exit');
    writeFileSync(goOn, '');
    const again = await release(['--import']);
    expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('worker-1: 5 rows imported\n')]);
    // What was removed by hand does not come back; what others added is kept.
    expect(await worker.rows()).toEqual(['2 pending', '3 pending', '99 pending', '4 pending', '5 pending']);
    const rows = JSON.parse(await worker.bash('factory queue list --format json'));
    expect(rows.map((row: Record<string, unknown>) => row['FeatureIntent']).slice(0, 2)).toEqual([
      "it's 2",
      '',
    ]);
    expect(await isDrained()).toBe(false);
  });

  it('of which a row cannot be added is rolled back, and nothing stays in PostgreSQL', async () => {
    await worker.bash(`${ADD(1)}; ${ADD(2, 'x', 'gone')}; rm "$WORKER_REPOS_DIR/gone/pipeline.yaml"`);
    const { code, stderr } = await release(['--import']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /rolled back to .*, and worker-1 takes work again\. The cause: the rows of worker-1 were not imported: #2: there is no .*gone\/pipeline.yaml/,
      ),
    ]);
    expect([await worker.rows(), await isDrained()]).toEqual([['1 pending', '2 pending'], false]);
    becomes('c');
    expect(await worker.rows()).toEqual([]);
  });

  it('given up for another image goes on with the import there', async () => {
    await worker.bash(`${ADD(1)}; ${ADD(2)}`);
    const first = await release(['--import'], `if [ "$1 $2 $3" = 'queue add 2' ]; then kill -9 0; fi`);
    expect(first.code).toBe(1);
    const { id } = last();
    saveRecord(env, { ...last(), image: IMAGES.b });
    const next = await release([]);
    expect([next.code, next.stderr]).toEqual([0, expect.stringContaining('2 rows imported')]);
    expect(last()).toMatchObject({ state: 'done', replaces: id, imports: id });
    expect([await worker.rows(), await isDrained()]).toEqual([['1 pending', '2 pending'], false]);
  });

  it('of many rows takes several calls, each a while; only in a drained worker', async () => {
    const script = (...args: string[]) =>
      worker.bash(
        `bash -c "$(cat ${partsOfScript('release-import')
          .map((name) => join(ROOT, 'scripts', 'remote', `${name}.sh`))
          .join(' ')})" release-import =nonce ${args.join(' ')}`,
      );
    await worker.bash(
      `${ADD(1)}; ${ADD(2)}; ${ADD(3)}; mkdir -p "$WORKER_STATE_DIR/backups"; echo it >"$WORKER_STATE_DIR/backups/id.tar.gz"`,
    );
    expect(await script('id', 'add', '0')).toContain('=nonce part unneeded rc=0');
    becomes('c');
    expect(await script('id', 'add', '0')).toMatch(/part imported rc=1 .*\nthe worker is not drained/);
    await worker.bash('echo "{}" >"$WORKER_STATE_DIR/drain"');
    for (const left of [2, 1, 0])
      expect(await script('id', 'add', '0')).toMatch(new RegExp(`part left rc=0 .*\n${left}\n`));
    expect(await worker.rows()).toEqual(['1 pending', '2 pending', '3 pending']);
    await worker.bash(ADD(4));
    expect(await script('id', 'withdraw', '0')).toMatch(/part others rc=0 .*\ndemo#4\n/);
    expect(await worker.rows()).toEqual(['4 pending']);
    expect(await script('other', 'add', '9')).toMatch(/there is no backup .*other\.tar\.gz/);
  });
});
