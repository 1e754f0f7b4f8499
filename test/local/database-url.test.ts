import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { giveDatabaseUrl } from '../../scripts/lib/local/database-url.ts';
import { localLayout } from '../../scripts/lib/local/layout.ts';

const URL = 'postgres://me:very-secret-word@db.example.com/queue';

describe('the DATABASE_URL of the operator', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'fw-url-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const give = (program: string, url: string | undefined): string | null => {
    writeFileSync(join(dir, 'factory'), program, { mode: 0o755 });
    return giveDatabaseUrl(localLayout(dir), `/nowhere:${dir}`, url);
  };

  it('is given to a PostgreSQL build, in a file that others cannot read', () => {
    const file = give('\0github.com/jackc/pgx\0', URL);
    expect(file).toBe(join(dir, 'secrets', 'DATABASE_URL'));
    expect(readFileSync(file ?? '', 'utf8')).toBe(`${URL}\n`);
    expect(statSync(file ?? '').mode & 0o777).toBe(0o600);
  });

  it.each([
    ['a SQLite build', 'mattn/go-sqlite3', URL],
    ['one that is not set', 'github.com/jackc/pgx', undefined],
    ['one that is empty', 'github.com/jackc/pgx', ''],
  ])('is not given: %s', (_case, program, url) => {
    expect(give(program, url)).toBeNull();
    expect(existsSync(join(dir, 'secrets'))).toBe(false);
  });
});
