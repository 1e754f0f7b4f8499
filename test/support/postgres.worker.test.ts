import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needs } from './needs.ts';
import { POSTGRES_BIN, Postgres } from './postgres.ts';

describe('the PostgreSQL of tests', needs(POSTGRES_BIN !== null, 'postgresql'), () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await Postgres.start();
  });
  afterAll(() => server.remove());

  it('has databases of their own, which outlive a crash', async () => {
    await server.createDatabase('one');
    await server.createDatabase('two');
    await server.sql('CREATE TABLE t (n int); INSERT INTO t VALUES (1)', 'one');
    await server.stop();
    await expect(server.sql('SELECT n FROM t', 'one')).rejects.toThrow('No such file or directory');
    await server.run();
    expect(await server.sql('SELECT n FROM t', 'one')).toBe('1');
    await expect(server.sql('SELECT n FROM t', 'two')).rejects.toThrow('does not exist');
  });

  it('leaves nothing behind', async () => {
    const another = await Postgres.start();
    await another.remove();
    expect(existsSync(another.folder)).toBe(false);
    expect(workingBelow(another.folder)).toEqual([]);
  });
});

/** The processes that work in a folder or below it. */
function workingBelow(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      return false;
    }
  });
}
