/** What the commands say of a worker whose factory keeps its queue in PostgreSQL: a real server, and the stand-in on it. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { doctor } from '../../scripts/doctor.ts';
import { plainScript } from '../../scripts/lib/transport/scripts.ts';
import { list } from '../../scripts/list.ts';
import { queue } from '../../scripts/queue.ts';
import { status } from '../../scripts/status.ts';
import { usage } from '../../scripts/usage.ts';
import { why } from '../../scripts/why.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { needs } from '../support/needs.ts';
import { POSTGRES_BIN, Postgres } from '../support/postgres.ts';
import { run } from '../support/run-command.ts';

describe('a worker with PostgreSQL', needs(POSTGRES_BIN !== null, 'postgresql'), () => {
  let server: Postgres;
  let worker: HandWorker;
  beforeAll(async () => {
    server = await Postgres.start();
    const url = await server.createDatabase();
    worker = await handWorker({ dialect: 'c', database: { kind: 'postgres', url } });
    for (const issue of [1, 2, 3])
      await worker.bash(
        `factory queue add ${issue} --config "$WORKER_REPOS_DIR/demo/pipeline.yaml" --intent "Users get ${issue}."`,
      );
    // As real ones are after parallel additions.
    await worker.bash('psql -Xqc "UPDATE issue_queue SET position = 1" "$DATABASE_URL"');
  });
  afterAll(async () => {
    await worker.remove();
    await server.remove();
  });
  const at = () => ({ env: worker.laptop });

  it('is shown like any other, its rows in order although their positions are the same', async () => {
    expect((await run(list, ['--no-headers', 'w'], at())).stdout).toMatch(
      /^w +\(local\) +running +- +demo#1, demo#2, demo#3\n$/,
    );
    const shown = await run(status, ['w', '-o', 'json'], at());
    const { snapshot } = JSON.parse(shown.stdout);
    expect(snapshot.queue.map((row: { issue: number }) => row.issue)).toEqual([1, 2, 3]);
    expect(Math.abs(Date.parse(snapshot.queue[0].addedAt) - Date.now())).toBeLessThan(600_000);
    expect((await run(status, ['w'], at())).stdout).toContain(
      'FACTORY   dialect B, PostgreSQL (its own server, ready)',
    );
    expect((await run(queue, ['w'], at())).stdout).toMatch(/demo#1[\s\S]*demo#2[\s\S]*demo#3/);
  });

  it('has its URL in what exec runs, too', async () => {
    const [program = '', ...argv] = plainScript('exec', [
      '',
      '',
      'factory',
      'queue',
      'list',
      '--format',
      'json',
    ]);
    const { DATABASE_URL: _, ...env } = worker.env;
    expect(JSON.parse(execFileSync(program, argv, { env, encoding: 'utf8' }))).toHaveLength(3);
  });

  it('has a database with a size', async () => {
    expect((await run(usage, ['w'], at())).stdout).toMatch(/\nqueue’s database +[\d.]+MiB/);
  });

  it('whose project has values typed into panes is warned of', async () => {
    expect((await run(doctor, ['w', '-o', 'json'], at())).stdout).not.toContain('typed-values');
    await worker.clone('shop', 'pipeline:\n  env:\n    KEY: x\n  database:\n    name: shop\n  stages: []\n');
    const { stdout } = await run(doctor, ['w', '-o', 'json'], at());
    await worker.bash('rm -rf "$WORKER_REPOS_DIR/shop"');
    const checks = JSON.parse(stdout).flatMap(({ findings }: { findings: object[] }) => findings);
    expect(checks).toContainEqual(
      expect.objectContaining({
        id: 'typed-values',
        state: 'warn',
        reason: expect.stringContaining('shop (env, database)'),
      }),
    );
  });

  it('of the operator, which refuses the password, is said with the cure', async () => {
    const url = await server.createForeign('guest', 'geheimwort');
    const other = await handWorker({ dialect: 'c', database: { kind: 'url', url } });
    try {
      await other.beat({ kind: 'url', state: 'ready' });
      const told = () => run(why, ['w'], { env: other.laptop });
      expect((await told()).stdout).not.toContain('DATABASE_URL');
      await server.sql("ALTER ROLE guest PASSWORD 'another'", 'postgres');
      const { stdout, stderr } = await told();
      expect(stdout).toContain(
        'the database in DATABASE_URL refuses its user or password, and no work is taken',
      );
      expect(stdout).toMatch(/ALTER ROLE[\s\S]*DATABASE_URL/);
      expect(stdout + stderr).not.toContain('geheim');
      expect((await run(list, ['--no-headers', 'w'], { env: other.laptop })).stdout).toContain('degraded');
      expect((await run(status, ['w'], { env: other.laptop })).stdout).toContain(
        'PostgreSQL (DATABASE_URL, down)',
      );
    } finally {
      await other.remove();
    }
  });

  it('that does not answer is degraded, and why names the cause once', async () => {
    await server.stop();
    await worker.beat({ kind: 'postgres', state: 'down', says: 'its server ended' });
    const [listed, told] = [await run(list, ['--no-headers', 'w'], at()), await run(why, ['w'], at())];
    await server.run();
    expect(listed.stdout).toMatch(/^w +\(local\) +degraded +- +\?\n$/);
    expect(told.stdout).toContain('PostgreSQL does not answer, and no work is taken: its server ended');
    expect(told.stdout).toContain('seen: factory: ping database: failed to connect');
    expect(told.stdout).not.toContain('factory cannot read its queue');
  });
});
