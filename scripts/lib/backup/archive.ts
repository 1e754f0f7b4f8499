/** A backup file on this machine: whether it is whole, and what is in it. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import type { Argv } from '../exec.ts';

/** What `backup` wrote down of the database it saved. */
export interface SavedState {
  readonly database: 'sqlite' | 'none';
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
  /** Issues that have a folder of their own in it. */
  readonly pipelines: number;
  readonly clones: readonly SavedClone[];
  /** Whether the database itself was opened here; it needs sqlite3 on PATH. */
  readonly checkedHere: boolean;
}

const READ_MS = 300_000;

/** @param text lines KEY=VALUE, as `state_of` in scripts/remote/worker.sh prints them */
export function parseState(text: string): SavedState | null {
  const values = new Map(
    text
      .split('\n')
      .map((line) => /^(\w+)=(.*)$/.exec(line))
      .flatMap((match) => (match ? [[match[1] ?? '', match[2] ?? ''] as const] : [])),
  );
  const database = values.get('database');
  if (database === 'none') return { database, schema: null, rows: 0, newest: 0, integrity: 'ok' };
  if (database !== 'sqlite') return null;
  const number = (key: string) => Number(values.get(key) || Number.NaN);
  const schema = number('schema');
  const state = {
    database,
    rows: number('rows'),
    newest: number('newest'),
    integrity: values.get('integrity') ?? '',
  } as const;
  if (Number.isNaN(state.rows) || Number.isNaN(state.newest)) return null;
  return { ...state, schema: Number.isNaN(schema) ? null : schema };
}

/** @param text `clones/list` of an archive */
export function parseClones(text: string): SavedClone[] {
  return text
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([kind, name]) => kind === 'clone' && name)
    .map(([, name = '', url = '']) => ({ name, url }));
}

/** @param names what `tar --list` printed */
export function countPipelines(names: string): number {
  // pipelines/23/pipeline.json, and in newer programs pipelines/OWNER/REPO/23/pipeline.json.
  return names
    .split('\n')
    .filter((name) => /^pipelines\/.*\/pipeline\.json$|^pipelines\/pipeline\.json$/.test(name)).length;
}

/**
 * Reads all of a backup.
 *
 * @throws CliError when it is cut short, damaged, or of another version
 */
export async function readArchive(
  file: string,
  context: Pick<Context, 'exec' | 'env' | 'signal'>,
): Promise<Archive> {
  const size = statSync(file, { throwIfNoEntry: false });
  if (size === undefined) throw new CliError(`there is no ${file}`);
  const tar = async (...args: string[]): Promise<string> => {
    const argv: Argv = ['tar', ...args];
    const result = await context.exec.run(argv, {
      env: context.env,
      signal: context.signal,
      timeoutMs: READ_MS,
    });
    if (result.aborted) throw InterruptedError.by(context.signal);
    if (result.code === ExitCode.missingProgram) {
      throw new CliError('tar is not installed, or not on PATH', { exitCode: ExitCode.missingProgram });
    }
    if (result.code !== 0) {
      const why = result.stderr.trim().split('\n')[0] || `tar ended with ${result.code}`;
      throw new CliError(`${file} is no whole backup: ${why}`, {
        hints: ['make it again with backup, or take an older one'],
      });
    }
    return result.stdout.toString('utf8');
  };
  const names = await tar('-tzf', file);
  const has = (name: string) => names.split('\n').includes(name);
  const state = has('state') ? parseState(await tar('-xzOf', file, 'state')) : null;
  if (state === null || (state.database === 'sqlite' && !has('factory.db'))) {
    throw new CliError(`${file} is no backup that this checkout knows: it does not say what is in it`, {
      hints: ['was it made by the backup command of another version? take that checkout'],
    });
  }
  if (state.integrity !== 'ok') {
    throw new CliError(`the database in ${file} was damaged already when it was saved: ${state.integrity}`, {
      hints: ['what can be had of it: sqlite3 factory.db ".recover"'],
    });
  }
  const clones = has('clones/list') ? parseClones(await tar('-xzOf', file, 'clones/list')) : [];
  const checkedHere = state.database === 'sqlite' ? await checkHere(file, state, context) : true;
  return { file, bytes: size.size, state, pipelines: countPipelines(names), clones, checkedHere };
}

const QUERY =
  'SELECT count(*), coalesce(max(id), 0), (SELECT group_concat(integrity_check) FROM pragma_integrity_check) FROM issue_queue';

/** Opens the database itself. @returns false where there is no sqlite3 */
async function checkHere(
  file: string,
  state: SavedState,
  { exec, env, signal }: Pick<Context, 'exec' | 'env' | 'signal'>,
): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'factory-worker-restore-'));
  try {
    const options = { env, signal, timeoutMs: READ_MS };
    const unpacked = await exec.run(['tar', '-xzf', file, '-C', folder, 'factory.db'], options);
    if (unpacked.code !== 0)
      throw new CliError(`${file} cannot be unpacked into ${folder}: ${unpacked.stderr.trim()}`);
    const result = await exec.run(['sqlite3', '-batch', join(folder, 'factory.db'), QUERY], options);
    if (result.code === ExitCode.missingProgram) return false;
    const said = result.stdout.toString('utf8').trim();
    const expected = `${state.rows}|${state.newest}|ok`;
    if (result.code !== 0 || said !== expected) {
      throw new CliError(
        `the database in ${file} is not what was saved: ${said || result.stderr.trim()} instead of ${expected}`,
        {
          hints: ['make it again with backup, or take an older one'],
        },
      );
    }
    return true;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
