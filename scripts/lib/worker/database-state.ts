/**
 * Where factory keeps its queue: what the supervisor tells of it, a summary of its content, as `state` in
 * scripts/remote/database.sh prints it, and the rows that an import adds from SQLite. Pure.
 */
import { printable } from '../cli/text.ts';
import type { Database, DatabaseKind, ImportedRow } from '../contract.ts';
import type { Snapshot } from './snapshot.ts';
import type { CommandLine } from './status.ts';

const KINDS: readonly string[] = ['sqlite', 'postgres', 'url', 'none'] satisfies (DatabaseKind | 'none')[];

export interface DatabaseState {
  /** `none`: there is none (yet); null: unknown. */
  readonly database: DatabaseKind | 'none' | null;
  readonly schema: number | null;
  readonly rows: number | null;
  /** The largest row id that was ever assigned. */
  readonly newest: number | null;
  /** `ok`, or what SQLite complains about; of PostgreSQL, whether it could be read. */
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
    database: isKind(database) ? database : null,
    schema: number('schema'),
    rows: number('rows'),
    newest: number('newest'),
    integrity: values.get('integrity') ?? null,
  };
}

function isKind(word: string | undefined): word is DatabaseKind | 'none' {
  return word !== undefined && KINDS.includes(word);
}

/** The program behind a kind of database, for people; null when there is none, or it is unknown. */
export function engineOf(kind: DatabaseState['database'] | undefined): 'SQLite' | 'PostgreSQL' | null {
  if (kind === undefined || kind === null || kind === 'none') return null;
  return kind === 'sqlite' ? 'SQLite' : 'PostgreSQL';
}

/** What the worker tells of its database: the loop, or before its first tick the boot. Null of images that tell nothing. */
export function databaseOf({ heartbeat, boot }: Pick<Snapshot, 'heartbeat' | 'boot'>): Database | null {
  return heartbeat?.database ?? boot?.database ?? null;
}

/** What factory says when its database does not let it in. */
const NO_ANSWER = /\b(ping database|failed to connect|SQLSTATE (08|28|3D|53|57))/;

/**
 * Its database when it is not SQLite and does not work. Nobody watches one that the operator named, so what factory says of it
 * now counts, too.
 */
export function databaseFault(snapshot: Pick<Snapshot, 'heartbeat' | 'boot' | 'faults'>): Database | null {
  const database = databaseOf(snapshot);
  if (database === null || database.kind === 'sqlite') return null;
  if (database.state === 'down' || database.state === 'failed') return database;
  const said = snapshot.faults.find(({ part, message }) => part === 'queue' && NO_ANSWER.test(message));
  if (said === undefined || database.state === 'starting') return null;
  return { kind: database.kind, state: 'down', says: said.message };
}

/** A row of SQLite that is imported: `demo#23`. */
export const rowName = ({ issue, project }: ImportedRow) => `${printable(project)}#${issue}`;

/** What has become of a row that was not added; null of one that was. @param worker its name */
export function describeFate(row: ImportedRow, worker: string, command: CommandLine): string | null {
  if (row.fate === 'add') return null;
  if (row.fate === 'goes-on') return `${rowName(row)} goes on by its pipeline, without a row in the queue`;
  const typed = command('dispatch', worker, '--project', row.project, '--issue', `${row.issue}`);
  return `${rowName(row)} was left out, since it waits for an issue that has failed; to start it all the same: ${typed}`;
}
