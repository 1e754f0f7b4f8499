/**
 * A backup file on this machine: whether it is complete, and what it says about itself. It comes from a worker, where untrusted
 * code may have run, so it is only data here: no database is opened and nothing is unpacked. Its facts are shown to the
 * operator; the worker that restores it checks everything again.
 */
import { createReadStream, statSync } from 'node:fs';
import { pipeline, type Readable, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Context } from '../cli/command.ts';
import { CliError, InterruptedError } from '../cli/errors.ts';
import { bytes, count } from '../cli/text.ts';
import type { DatabaseKind } from '../contract.ts';
import { ArchiveError, type Member, readTar } from '../copy/tar.ts';
import { parseDatabaseState } from '../worker/database-state.ts';

/** What `backup` recorded about the database. */
export interface SavedState {
  readonly database: DatabaseKind | 'none';
  readonly schema: number | null;
  readonly rows: number;
  readonly newest: number;
  readonly integrity: string;
}

export interface SavedClone {
  readonly name: string;
  readonly url: string;
}

export interface Archive {
  readonly file: string;
  readonly bytes: number;
  readonly state: SavedState;
  /** Issues with a pipeline folder in it. */
  readonly pipelines: number;
  readonly clones: readonly SavedClone[];
}

/** Three times the chart's default volume (20Gi), since one may be larger; compressed, a file of zeros is small. */
export const MOST_BYTES = 64 * 1024 ** 3;
/** Limit of what is read into memory: a few lines of state, and some hundred bytes for each worktree. */
const RECORD_BYTES = 4 * 1024 * 1024;

const FILES =
  /^(?:factory\.db|factory\.pgdump|state|clones\/(?:list|[^/]+\.bundle)|worker\/(?:dispatch\.jsonl|repairs\.jsonl|projects\.json|logs\/sessions\/.+)|pipelines\/.+)$/s;
const FOLDERS = /^(?:clones|worker|worker\/logs|worker\/logs\/sessions(?:\/.+)?|pipelines(?:\/.+)?)$/s;

/** @returns null when the text is incomplete */
export function savedState(text: string): SavedState | null {
  const { database, schema, rows, newest, integrity } = parseDatabaseState(text);
  if (database === 'none') return { database, schema: null, rows: 0, newest: 0, integrity: 'ok' };
  if (database === null || rows === null || newest === null) return null;
  return { database, schema, rows, newest, integrity: integrity ?? '' };
}

/**
 * @param text `clones/list` of an archive
 * @throws ArchiveError when a clone's name leads out of its folder, or git would read its URL as an option or a program
 */
export function parseClones(text: string): SavedClone[] {
  const clones = text
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([kind, name]) => kind === 'clone' && name)
    .map(([, name = '', url = '']) => ({ name, url }));
  for (const { name, url } of clones) {
    if (!isFolderName(name) || /^-|^\w+::/.test(url) || CONTROL.test(url)) {
      throw new ArchiveError(`it names a clone ${JSON.stringify(name)} of ${JSON.stringify(url)}`);
    }
  }
  return clones;
}

const CONTROL = /[\0-\x1f\x7f]/;

const isFolderName = (name: string) => !/^[-.]|\//.test(name) && !CONTROL.test(name);

/** Matches the file of a pipeline: pipelines/23/pipeline.json, in newer versions pipelines/OWNER/REPO/23/pipeline.json. */
export function isPipeline(path: string): boolean {
  return /^pipelines\/(?:.*\/)?pipeline\.json$/s.test(path);
}

/**
 * Reads a whole backup once, as a stream.
 *
 * @param limit of its unpacked size, in bytes
 * @throws CliError when it is truncated, damaged, of another version, or has members that do not belong in a backup
 */
export async function readArchive(
  file: string,
  { signal }: Pick<Context, 'signal'>,
  limit = MOST_BYTES,
): Promise<Archive> {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there === undefined) throw new CliError(`there is no ${file}`);
  if (!there.isFile()) throw new CliError(`${file} is not a regular file`);
  try {
    return { file, bytes: there.size, ...(await readContents(file, unpacked(file, limit, signal))) };
  } catch (error) {
    if (signal.aborted) throw InterruptedError.by(signal);
    if (!(error instanceof ArchiveError)) throw error;
    throw new CliError(`${file} is not a whole backup: ${error.message}`, {
      hints: ['make it again with backup, or take an older one'],
    });
  }
}

async function readContents(file: string, source: Readable): Promise<Omit<Archive, 'file' | 'bytes'>> {
  const records = new Map<string, string>();
  const databases = new Set<string>();
  let pipelines = 0;
  try {
    for await (const member of readTar(source)) {
      const { path, kind } = member;
      if (!(kind === 'file' ? FILES : FOLDERS).test(path) || (kind !== 'file' && kind !== 'folder')) {
        throw new ArchiveError(`${JSON.stringify(path)} (a ${kind}) does not belong into one`);
      }
      if (path === 'state' || path === 'clones/list') {
        if (records.has(path)) throw new ArchiveError(`it has ${path} twice`);
        records.set(path, await readRecord(member));
      }
      if (path === 'factory.db' || path === 'factory.pgdump') databases.add(path);
      if (isPipeline(path)) pipelines++;
    }
  } finally {
    source.destroy();
  }
  const state = savedState(records.get('state') ?? '');
  if (state === null || [...databases].join() !== (databaseFile(state.database) ?? '')) {
    throw new CliError(`${file} is not a backup that this checkout knows: it does not say what is in it`, {
      hints: ['was it made by the backup command of another version? take that checkout'],
    });
  }
  if (state.integrity !== 'ok') {
    throw new CliError(`the database in ${file} was damaged already when it was saved: ${state.integrity}`, {
      hints: ['what can be had of it: sqlite3 -safe factory.db ".recover"'],
    });
  }
  if (state.database === 'none' && pipelines > 0) {
    throw new CliError(
      `${file} has ${count(pipelines, 'pipeline')} and no queue: its database was not saved`,
      {
        hints: ['that of a PostgreSQL build is saved since this version: make the backup again'],
      },
    );
  }
  return { state, pipelines, clones: parseClones(records.get('clones/list') ?? '') };
}

/** The file of a backup that has the database. */
function databaseFile(kind: DatabaseKind | 'none'): string | null {
  if (kind === 'none') return null;
  return kind === 'sqlite' ? 'factory.db' : 'factory.pgdump';
}

async function readRecord({ path, content }: Member): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > RECORD_BYTES) throw new ArchiveError(`${path} is larger than ${bytes(RECORD_BYTES)}`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The unpacked content of a file, as a stream. */
function unpacked(file: string, limit: number, signal: AbortSignal): Readable {
  let total = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _, done) {
      total += chunk.length;
      done(total > limit ? new ArchiveError(`it unpacks to more than ${bytes(limit)}`) : null, chunk);
    },
  });
  // With the default chunks of 16 KiB, a file of a gigabyte takes ten times as long.
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  // An error anywhere in the pipeline is reported by its last stream, to the reader.
  pipeline(createReadStream(file, { signal }), gunzip, bounded, () => {});
  return bounded;
}
