/** Backups of workers whose factory keeps its queue in PostgreSQL: a real server, and the stand-in on it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backup } from '../../scripts/backup.ts';
import { partsOfScript } from '../../scripts/lib/transport/scripts.ts';
import { restore } from '../../scripts/restore.ts';
import { type HandWorker, type HandWorkerOptions, handWorker } from '../support/hand-worker.ts';
import { needs } from '../support/needs.ts';
import { POSTGRES_BIN, Postgres } from '../support/postgres.ts';
import { run } from '../support/run-command.ts';

const ADD = (issue: number) =>
  `factory queue add ${issue} --config "$WORKER_REPOS_DIR/demo/pipeline.yaml" --intent "it's ${issue}"`;

describe('with PostgreSQL', needs(POSTGRES_BIN !== null, 'postgresql'), () => {
  let server: Postgres;
  let here: string;
  let file: string;
  const workers: HandWorker[] = [];
  beforeAll(async () => {
    server = await Postgres.start();
  });
  afterAll(() => server.remove());
  beforeEach(() => {
    here = mkdtempSync(join(tmpdir(), 'backup-pg-'));
    file = join(here, 'it.tar.gz');
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.remove()));
    rmSync(here, { recursive: true, force: true });
  });

  async function make(options: HandWorkerOptions): Promise<HandWorker> {
    // No supervisor: a drained worker without a loop is at rest at once.
    const worker = await handWorker({ up: false, ...options });
    workers.push(worker);
    return worker;
  }
  /** A worker on a new database of the server. */
  const postgres = async (kind: 'postgres' | 'url' = 'postgres') => {
    const worker = await make({ dialect: 'c', database: { kind, url: await server.createDatabase() } });
    await worker.bash('factory queue list');
    return worker;
  };
  const save = (worker: HandWorker) => run(backup, ['w', file], { env: worker.laptop });
  const restoreInto = (worker: HandWorker, ...argv: string[]) =>
    run(restore, [file, 'w', '--yes', ...argv], { env: worker.laptop });
  const saved = (name: string) => execFileSync('tar', ['-xzOf', file, name], { encoding: 'utf8' });

  it('a backup has a dump and says how many rows are in it', async () => {
    const worker = await postgres();
    await worker.bash(`${ADD(1)}; ${ADD(2)}; ${ADD(3)}; factory queue remove 2`);
    expect(await save(worker)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/it\.tar\.gz: [\d.]+KiB, 2 rows, integrity ok\n$/),
    });
    expect(saved('state')).toBe('database=postgres\nschema=1\nrows=2\nnewest=3\nintegrity=ok\n');
    expect(saved('factory.pgdump').slice(0, 5)).toBe('PGDMP');
  });

  it('of one worker is restored into another: the rows, their times, and the numbers of the next ones', async () => {
    const [source, target] = [await postgres(), await postgres()];
    await source.bash(
      `${ADD(1)}; ${ADD(2)}; factory event log --session 1-a-1 --issue 1 --stage a --event idle
       psql -Xqc "INSERT INTO repos (url, local_path, config_path) VALUES ('u', '$WORKER_REPOS_DIR/demo', '/srv/it/pipeline.yaml');
         INSERT INTO deploys (sha) VALUES ('abc'); INSERT INTO deploy_events (deploy_id, event) VALUES (1, E'a\\tb\\\\\\\\.')" "$DATABASE_URL"`,
    );
    expect((await save(source)).code).toBe(0);
    const { code, stdout, stderr } = await restoreInto(target);
    expect([code, stdout, stderr]).toEqual([
      0,
      'w has 2 rows in the queue, 0 pipelines again, counted on both ends; integrity ok\n',
      expect.not.stringContaining('note:'),
    ]);
    // The clones are its own, wherever those of the other are.
    const rows = await source.bash('factory queue list --format json');
    expect(await target.bash('factory queue list --format json')).toBe(
      rows.replaceAll(source.repos, target.repos),
    );
    const repos = 'SELECT local_path, config_path FROM repos';
    expect(await target.bash(`psql -XAtc "${repos}" "$DATABASE_URL"`)).toBe(
      `${target.repos}/demo|/srv/it/pipeline.yaml\n`,
    );
    const deploys = 'SELECT sha, event FROM deploys JOIN deploy_events ON deploy_id = deploys.id';
    expect(await target.bash(`psql -XAtc "${deploys}" "$DATABASE_URL"`)).toBe('abc|a\tb\\.\n');
    expect(await target.bash('factory session status 1-a-1')).toContain('State:     idle');
    await target.bash(ADD(9));
    expect((await target.queue()).map(({ issue }) => issue)).toEqual([1, 2, 9]);
  });

  it('what is replaced is saved first, and can be had back', async () => {
    const [source, target] = [await postgres(), await postgres()];
    await source.bash(ADD(1));
    await target.bash(ADD(7));
    await save(source);
    const { stderr } = await restoreInto(target);
    expect(await target.rows()).toEqual(['1 pending']);
    const undo = /cp w:(\S+) w-before-restore/.exec(stderr)?.[1] ?? '';
    expect(await run(restore, [undo, 'w', '--yes'], { env: target.laptop })).toMatchObject({ code: 0 });
    expect(await target.rows()).toEqual(['7 pending']);
  });

  it('only rows leave a backup: no SQL of its own is run', async () => {
    const [source, target] = [await postgres(), await postgres()];
    await source.bash(
      `${ADD(1)}; psql -Xqc "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''ran''; END';
       CREATE TRIGGER t BEFORE UPDATE ON issue_queue FOR EACH ROW EXECUTE FUNCTION f()" "$DATABASE_URL"`,
    );
    await save(source);
    expect((await restoreInto(target)).code).toBe(0);
    await target.bash('factory queue set-intent 1 changed');
    expect(
      await target.bash(
        'psql -XAtc "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal" "$DATABASE_URL"',
      ),
    ).toBe('0\n');
  });

  it('of another build changes nothing', async () => {
    const [source, target] = [await postgres(), await postgres()];
    await source.bash(
      `${ADD(1)}; psql -Xqc "ALTER TABLE issue_queue ADD COLUMN novelty int" "$DATABASE_URL"`,
    );
    await target.bash(ADD(7));
    await save(source);
    expect(await restoreInto(target)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/w was left as it was: nothing was restored: .*novelty/),
    });
    expect(await target.rows()).toEqual(['7 pending']);
  });

  it('is restored into the database of an operator, of which it takes the tables of factory alone', async () => {
    const [source, url] = [await postgres(), await server.createForeign('guest', 'ge/heim wort')];
    const target = await make({ dialect: 'c', database: { kind: 'url', url } });
    await source.bash(`${ADD(1)}; ${ADD(2)}`);
    await target.bash(
      `${ADD(7)}; psql -Xqc "CREATE TABLE notes AS SELECT 'of theirs' AS said" "$DATABASE_URL"`,
    );
    expect((await save(source)).code).toBe(0);
    const { code, stdout, stderr } = await restoreInto(target);
    expect([code, stdout]).toEqual([
      0,
      'w has 2 rows in the queue, 0 pipelines again, counted on both ends; integrity ok\n',
    ]);
    expect(stderr).not.toMatch(/ge.{1,3}heim/);
    expect(await target.rows()).toEqual(['1 pending', '2 pending']);
    expect(await target.bash('psql -XAtc "SELECT said FROM notes" "$DATABASE_URL"')).toBe('of theirs\n');
    // Its own backup has the table of theirs as well, and all comes back.
    rmSync(file);
    expect((await save(target)).code).toBe(0);
    await target.bash('factory queue remove 1');
    expect(await restoreInto(target)).toMatchObject({ code: 0 });
    expect(await target.rows()).toEqual(['1 pending', '2 pending']);
    rmSync(file);
    await server.sql("ALTER ROLE guest PASSWORD 'another'", 'postgres');
    expect((await save(target)).stderr).toMatch(/password authentication failed/);
  });

  it('is refused by a worker whose database is of another kind', async () => {
    const [own, sqlite] = [await postgres(), await make({ dialect: 'b' })];
    await own.bash(ADD(1));
    await sqlite.bash(ADD(2));
    await save(own);
    expect((await restoreInto(sqlite)).stderr).toContain(
      'w was left as it was: the backup is of a PostgreSQL database, and the factory of this worker keeps its queue in SQLite',
    );
    rmSync(file);
    await save(sqlite);
    expect(await restoreInto(own)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'the backup is of a SQLite database, and the factory of this worker keeps its queue in PostgreSQL',
      ),
    });
    expect([await own.rows(), await sqlite.rows()]).toEqual([['1 pending'], ['2 pending']]);
  });

  describe('the queue of a worker with SQLite', () => {
    const REPOS = '--config "$WORKER_REPOS_DIR/demo/pipeline.yaml"';
    const STATUS = (issue: number, status: string) =>
      `sqlite3 "$HOME/.factory/factory.db" "UPDATE issue_queue SET status = '${status}' WHERE issue = ${issue}"`;
    const BEGUN = (folder: string) =>
      `mkdir -p "$HOME/.factory/pipelines/${folder}" && echo '{"status":"in_progress"}' >"$HOME/.factory/pipelines/${folder}/pipeline.json"`;
    /** Open: 9, 3 (without an intent), 4 (after 9), 8 (after 6); done: 1; failed: 2, which 5 waits for, and 6 for 5. */
    async function sqlite(): Promise<HandWorker> {
      const worker = await make({ dialect: 'b' });
      await worker.bash(
        `${ADD(1)}; ${ADD(2)}; ${ADD(9)}; ${ADD(7)}; ${ADD(10)}
         factory queue add 3 ${REPOS} --intent -; factory queue set-intent 3 ''
         factory queue add 4 ${REPOS} --intent $'two\nlines, "quoted"' --depends-on 9
         factory queue add 5 ${REPOS} --intent x --depends-on 2; factory queue add 6 ${REPOS} --intent x --depends-on 5,9
         ${STATUS(1, 'completed')}; ${STATUS(2, 'failed')}; ${STATUS(7, 'active')}; ${STATUS(10, 'active')}; ${BEGUN('acme/demo/7')}`,
      );
      expect((await save(worker)).code).toBe(0);
      return worker;
    }
    const ROWS = ['9 pending', '10 pending', '3 pending', '4 pending'];

    it('is listed by a dry run, which leaves nothing behind', async () => {
      const [, target] = [await sqlite(), await postgres()];
      await target.bash(ADD(77));
      const listed = await restoreInto(target, '--import', '--dry-run');
      expect([listed.code, listed.stdout.split('\n').slice(1)]).toEqual([
        0,
        [
          '  now   1 row in the queue, 0 pipelines',
          expect.stringMatching(/^ {2}then {2}4 rows in the queue, 1 pipeline, from /),
          '  + add demo#9',
          '  = goes on by its pipeline, without a row: demo#7',
          '  + add demo#10',
          '  + add demo#3',
          '  + add demo#4',
          '  - left out, since it waits for an issue that has failed: demo#5',
          '  - left out, since it waits for an issue that has failed: demo#6',
          '',
        ],
      ]);
      const json = await restoreInto(target, '--import', '--dry-run', '-o', 'json');
      expect(JSON.parse(json.stdout).imported[1]).toEqual({ issue: 7, project: 'demo', fate: 'goes-on' });
      expect(await target.rows()).toEqual(['77 pending']);
      expect(await target.bash('ls -A "$WORKER_STATE_DIR/backups"')).toBe('');
    });

    it('is added to PostgreSQL row by row, in order and once, however often it is typed', async () => {
      const [, target] = [await sqlite(), await postgres()];
      await target.bash(ADD(77));
      const { code, stdout, stderr } = await restoreInto(target, '--import');
      expect([code, stdout]).toEqual([
        0,
        'w has 4 rows in the queue, 1 pipeline; the rows were imported, finished ones stay in the backup\n',
      ]);
      expect(stderr).toContain('note: demo#7 goes on by its pipeline, without a row in the queue\n');
      expect(stderr).toContain('it all the same: factory-worker dispatch w --project demo --issue 6\n');
      expect(await target.rows()).toEqual(ROWS);
      const rows = JSON.parse(await target.bash('factory queue list --format json'));
      expect(rows.map((row: Record<string, unknown>) => [row['FeatureIntent'], row['DependsOn']])).toEqual([
        ["it's 9", null],
        ["it's 10", null],
        ['', null],
        ['two\nlines, "quoted"', [9]],
      ]);
      expect(await restoreInto(target, '--import')).toMatchObject({ code: 0 });
      expect(await target.rows()).toEqual(ROWS);
    });

    it('that was cut in the middle is there once after the next import', async () => {
      const [, target] = [await sqlite(), await postgres()];
      const program = join(target.dir, 'bin', 'factory');
      renameSync(program, `${program}.real`);
      const cut = `if [ "$1 $2 $3" = 'queue add 3' ]; then kill -9 0; fi`;
      writeFileSync(program, `#!/bin/bash\n# github.com/jackc/pgx\n${cut}\nexec "$0.real" "$@"\n`, {
        mode: 0o755,
      });
      expect((await restoreInto(target, '--import')).code).not.toBe(0);
      expect(await target.rows()).toEqual(ROWS.slice(0, 2));
      renameSync(`${program}.real`, program);
      expect(await restoreInto(target, '--import')).toMatchObject({ code: 0 });
      expect(await target.rows()).toEqual(ROWS);
    });

    it('of which a row cannot be added leaves the worker as it was', async () => {
      const [source, target] = [await sqlite(), await postgres()];
      await source.bash(
        `sqlite3 "$HOME/.factory/factory.db" "UPDATE issue_queue SET config_path = replace(config_path, 'demo', 'gone') WHERE issue = 3"`,
      );
      rmSync(file);
      await save(source);
      await target.bash(ADD(77));
      expect(await restoreInto(target, '--import')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /w was left as it was: nothing was restored: #3: there is no .*repos\/gone\/pipeline.yaml/,
        ),
      });
      expect(await target.rows()).toEqual(['77 pending']);
    });

    it('is imported from SQLite to PostgreSQL alone', async () => {
      const [source, target] = [await sqlite(), await postgres()];
      expect(await restoreInto(source, '--import')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(
          'the backup is of SQLite, and the factory of this worker keeps its queue in SQLite',
        ),
      });
      expect((await restoreInto(target)).stderr).toMatch(/factory-worker restore \S+ w --import --dry-run\n/);
    });
  });

  it('without a database is refused by a worker that has rows, or PostgreSQL', async () => {
    const [empty, own, full] = [await make({ dialect: 'b' }), await postgres(), await make({ dialect: 'b' })];
    await full.bash(ADD(2));
    await save(empty);
    expect((await restoreInto(own)).stderr).toContain('the backup has no database');
    expect(await restoreInto(full)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the backup has no database, and this worker has 1 rows in its queue'),
    });
    expect(await restoreInto(empty)).toMatchObject({
      code: 0,
      stdout: 'w has 0 rows in the queue, 0 pipelines again, the backup has no database\n',
    });
  });

  it('and pipelines, but no queue, is one of a version that could not save it', async () => {
    const worker = await make({ dialect: 'b' });
    await worker.bash(
      'mkdir -p "$HOME/.factory/pipelines/1" && echo "{}" >"$HOME/.factory/pipelines/1/pipeline.json"',
    );
    await save(worker);
    expect(await restoreInto(worker)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has 1 pipeline and no queue: its database was not saved'),
    });
  });

  describe('what a rollback over a migration puts back', () => {
    const script = (worker: HandWorker, name: string, ...args: string[]) =>
      worker.bash(
        `bash -c "$(cat ${partsOfScript(name)
          .map((part) => join(process.cwd(), `scripts/remote/${part}.sh`))
          .join(' ')})" ${name} =nonce ${args.join(' ')}`,
      );
    const tell = (worker: HandWorker, sql: string) =>
      worker.bash(`psql -XqAt --set=ON_ERROR_STOP=1 "$DATABASE_URL" <<'SQL'\n${sql}\nSQL`);
    /** What another version of the program might do with it. */
    const MIGRATION = `ALTER TABLE issue_queue ADD COLUMN novelty INTEGER NOT NULL DEFAULT 1, DROP COLUMN feature_intent;
      CREATE TABLE novelties (id BIGSERIAL PRIMARY KEY, row_id BIGINT REFERENCES issue_queue(id));
      INSERT INTO novelties (row_id) VALUES (1); INSERT INTO schema_version (version) VALUES (2);`;
    const TABLES = `SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns
      WHERE table_schema = 'public' ORDER BY 1, 2;
      SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2;
      SELECT version FROM schema_version; SELECT last_value FROM issue_queue_id_seq`;

    it('is the tables as they were, too', async () => {
      const worker = await postgres();
      await worker.bash(`touch "$WORKER_STATE_DIR/drain"; ${ADD(1)}; ${ADD(2)}`);
      await tell(
        worker,
        "INSERT INTO deploys (sha) VALUES (E'a\\tb'); INSERT INTO deploy_events (deploy_id) VALUES (1)",
      );
      const [tables, queue] = [
        await tell(worker, TABLES),
        await worker.bash('factory queue list --format json'),
      ];
      expect(await script(worker, 'backup', 'id', '5', 'state')).toContain('=nonce part backup rc=0');
      await tell(worker, MIGRATION);
      expect(await script(worker, 'rollback-restore', 'id.tar.gz', '2', '2')).toContain(
        '=nonce part restored rc=0',
      );
      expect(await tell(worker, TABLES)).toBe(tables);
      expect(await worker.bash('factory queue list --format json')).toBe(queue);
      expect(await tell(worker, 'SELECT sha FROM deploys JOIN deploy_events ON deploy_id = deploys.id')).toBe(
        'a\tb\n',
      );
      // The newer version can come again.
      await tell(worker, MIGRATION);
      await worker.bash('rm "$WORKER_STATE_DIR/drain"');
    });

    it('is nothing when rows came since, or the backup would run a program', async () => {
      const worker = await postgres();
      await worker.bash(`touch "$WORKER_STATE_DIR/drain"; ${ADD(1)}`);
      await tell(worker, `ALTER TABLE deploys ALTER status SET DEFAULT E'\\\\! touch ran'`);
      await script(worker, 'backup', 'id', '5', 'state');
      await tell(worker, MIGRATION);
      const tables = await tell(worker, TABLES);
      expect(await script(worker, 'rollback-restore', 'id.tar.gz', '1', '1')).toMatch(
        /^=nonce part restored rc=1 .*\n(?!\d+\n).*has a backslash in its tables/m,
      );
      await tell(worker, 'INSERT INTO issue_queue (issue, position) VALUES (2, 2)');
      expect(await script(worker, 'rollback-restore', 'id.tar.gz', '1', '1')).toMatch(
        /issues were added or removed since the backup: it has 1 rows, now there are 2/,
      );
      await tell(worker, 'DELETE FROM issue_queue WHERE issue = 2');
      expect((await tell(worker, TABLES)).replace(/\d+\n$/, '')).toBe(tables.replace(/\d+\n$/, ''));
    });
  });

  it('that cannot be reached is no backup', async () => {
    const worker = await postgres();
    await server.stop();
    try {
      expect(await save(worker)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/the backup of w failed: .*pg_dump: error: connection/),
      });
    } finally {
      await server.run();
    }
    await worker.write('run/database-url', '');
    expect((await save(worker)).stderr).toContain('DATABASE_URL is not set');
  });

  it('its password is in no argument of a program', async () => {
    const worker = await postgres('url');
    const calls = join(worker.dir, 'calls');
    for (const name of ['pg_dump', 'pg_restore', 'psql']) {
      const program = `#!/bin/bash\nprintf '%s ' ${name} "$PGPASSWORD" "$@" >>${calls}\nexec ${POSTGRES_BIN}/${name} "$@"\n`;
      writeFileSync(join(worker.dir, 'bin', name), program, { mode: 0o755 });
    }
    const url = worker.env['DATABASE_URL'] ?? '';
    await worker.write(
      'run/database-url',
      `${url.replace('postgres:///', 'postgres://factory:ge%2Fheim@/').replace('&user=factory', '')}\n`,
    );
    expect((await save(worker)).code).toBe(0);
    await worker.write('run/database-url', `${url}&password=ge%2Fheim&connect_timeout=9\n`);
    rmSync(file);
    expect((await save(worker)).code).toBe(0);
    const said = readFileSync(calls, 'utf8');
    expect(said).toContain('pg_dump ge/heim');
    expect(said.match(/pg_dump ge\/heim/g)).toHaveLength(2);
    expect(said).not.toContain('ge%2Fheim');
  });
});
