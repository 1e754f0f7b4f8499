/** Parses a summary of factory's database, as `state_of` in scripts/remote/database.sh prints it. Pure. */

export interface DatabaseState {
  /** `none`: there is no SQLite database (yet, or the build keeps its state in PostgreSQL); null: unknown. */
  readonly database: 'sqlite' | 'none' | null;
  readonly schema: number | null;
  readonly rows: number | null;
  /** The largest row id that was ever assigned. */
  readonly newest: number | null;
  /** `ok`, or what SQLite complains about. */
  readonly integrity: string | null;
}

/** @param text lines KEY=VALUE; an invalid number becomes null */
export function parseDatabaseState(text: string): DatabaseState {
  const values = new Map(
    text
      .split('\n')
      .map((line) => /^(\w+)=(.*)$/.exec(line))
      .flatMap((match) => (match ? [[match[1] ?? '', match[2] ?? ''] as const] : [])),
  );
  const number = (key: string) => {
    const value = values.get(key) ?? '';
    return /^\d{1,15}$/.test(value) ? Number(value) : null;
  };
  const database = values.get('database');
  return {
    database: database === 'sqlite' || database === 'none' ? database : null,
    schema: number('schema'),
    rows: number('rows'),
    newest: number('newest'),
    integrity: values.get('integrity') ?? null,
  };
}
