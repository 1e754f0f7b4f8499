/**
 * The worker's own PostgreSQL as data: where its files are, how it is started, which programs it needs. Pure; `server.ts`
 * carries it out. ("Cluster" is PostgreSQL's word for the folder of one server.)
 */
import { dirname, join } from 'node:path';
import type { Argv, Files } from '../effects/effects.ts';
import { which } from '../effects/which.ts';
import type { Environment } from '../environment.ts';

/** Role and database of the program. The role may create databases, for a restore, and nothing else. */
export const NAME = 'factory';
/** Only part of the socket's name: nothing listens on the network. */
const PORT = 5432;
/** Debian's, and the one that may own files of a server that root starts: PostgreSQL refuses to run as root. */
export const SYSTEM_USER = 'postgres';
/** The package to install where there is no server. */
const PACKAGE = 'postgresql-15';

/** Where Debian puts the programs of each major version. */
const VERSIONS = '/usr/lib/postgresql';

export interface Cluster {
  /** Belongs to the server's user. */
  readonly folder: string;
  readonly data: string;
  /** Where initdb works: a folder in `data` is always complete. */
  readonly unfinished: string;
  readonly socketDir: string;
  readonly log: string;
  /** The URL has no password in it: who can open the socket may use the database. */
  readonly url: string;
}

/**
 * A pod has its own folder for volatile files. The one of a local worker may be anywhere, and the path of a socket has at most
 * 107 bytes, so its socket is next to that of tmux, under /tmp.
 */
export function clusterOf({ dirs, tmuxDir }: Pick<Environment, 'dirs' | 'tmuxDir'>): Cluster {
  const folder = join(dirs.WORKER_STATE_DIR, 'postgres');
  const socketDir = tmuxDir === null ? join(dirs.WORKER_RUN_DIR, 'postgres') : `${tmuxDir}-postgres`;
  return {
    folder,
    data: join(folder, 'data'),
    unfinished: join(folder, 'data.new'),
    socketDir,
    log: join(dirs.WORKER_STATE_DIR, 'logs', 'postgres.log'),
    url: `postgres:///${NAME}?host=${encodeURI(socketDir)}&port=${PORT}&user=${NAME}`,
  };
}

/**
 * Small: one worker's queue has a few thousand rows, and the memory is for the agents. On the command line, so that a volume
 * from another image has them too.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  port: `${PORT}`,
  shared_buffers: '16MB',
  work_mem: '2MB',
  maintenance_work_mem: '16MB',
  jit: 'off',
  huge_pages: 'off',
  max_worker_processes: '2',
  max_parallel_workers: '0',
  autovacuum_max_workers: '1',
  // No replica ever reads the WAL, and a volume is not for keeping it.
  wal_level: 'minimal',
  max_wal_senders: '0',
  wal_buffers: '1MB',
  min_wal_size: '32MB',
  max_wal_size: '128MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

export function serverArgv(bin: string, { data, socketDir }: Cluster): Argv {
  const settings = { ...SETTINGS, unix_socket_directories: socketDir };
  return [
    join(bin, 'postgres'),
    '-D',
    data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

export function initdbArgv(bin: string, { unfinished }: Cluster): Argv {
  return [
    join(bin, 'initdb'),
    `--pgdata=${unfinished}`,
    `--username=${SYSTEM_USER}`,
    // Only the worker's user can enter the folder of the socket.
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--no-instructions',
  ];
}

/** Runs SQL as the superuser, each statement in a transaction of its own. */
export function psqlArgv(bin: string, { socketDir }: Cluster, statements: readonly string[]): Argv {
  return [
    join(bin, 'psql'),
    ...['--no-psqlrc', '--quiet', '--no-align', '--tuples-only', '--set=ON_ERROR_STOP=1'],
    ...[`--host=${socketDir}`, `--port=${PORT}`, `--username=${SYSTEM_USER}`, '--dbname=postgres'],
    ...statements.flatMap((statement) => ['--command', statement]),
  ];
}

/** Creates the role unless it exists, and prints how many databases of its name there are. */
export const PREPARE_ROLE = [
  `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${NAME}') THEN CREATE ROLE ${NAME} LOGIN CREATEDB; END IF; END $$`,
  `SELECT count(*) FROM pg_database WHERE datname = '${NAME}'`,
];
export const CREATE_DATABASE = [`CREATE DATABASE ${NAME} OWNER ${NAME}`];

/**
 * Finds the folder of the server's programs: those of the version that made the data, else the newest.
 *
 * @param dataVersion what PG_VERSION says; null when there is no data yet
 * @throws Error that names the package to install
 */
export function findPrograms(
  files: Pick<Files, 'list' | 'isExecutable' | 'realPath'>,
  { path, pod }: Pick<Environment, 'path' | 'pod'>,
  dataVersion: string | null,
): string {
  const versions = files
    .list(VERSIONS)
    .filter((version) => files.isExecutable(join(VERSIONS, version, 'bin', 'postgres')))
    .toSorted((a, b) => Number(b) - Number(a));
  const version = dataVersion === null ? versions[0] : versions.find((found) => found === dataVersion);
  if (version !== undefined) return join(VERSIONS, version, 'bin');
  if (versions.length > 0)
    throw new Error(
      `the database was made by PostgreSQL ${dataVersion}, and there is only ${versions.join(', ')} here: ${remedy(pod, `postgresql-${dataVersion}`)}`,
    );
  const onPath = which(files, path, 'postgres');
  if (onPath !== null) return dirname(files.realPath(onPath));
  throw new Error(
    `this build of factory keeps its state in PostgreSQL, and there is no PostgreSQL server here: ${remedy(pod, PACKAGE)}, or give a DATABASE_URL`,
  );
}

function remedy(pod: boolean, name: string): string {
  return pod ? `use an image that was built with ${name}` : `apt-get install ${name}`;
}

/** The server's process and whether it takes connections, as it writes them into postmaster.pid; null when there is none. */
export function readPostmaster(
  text: string | null,
): { readonly pid: number; readonly ready: boolean } | null {
  const lines = (text ?? '').split('\n');
  const pid = Number(lines[0]);
  return Number.isInteger(pid) && pid > 1 ? { pid, ready: lines[7]?.trim() === 'ready' } : null;
}

/**
 * The folders that the server's user has to pass on the way to its own when it is not the owner of the rest: those of the
 * worker, which it may open, and those above, which it may not.
 */
export function foldersAbove({ home, pod, dirs }: Pick<Environment, 'home' | 'pod' | 'dirs'>): {
  readonly ours: readonly string[];
  readonly others: readonly string[];
} {
  const above: string[] = [];
  for (let folder = dirs.WORKER_STATE_DIR; folder !== dirname(folder); folder = dirname(folder))
    above.push(folder);
  // A local worker's HOME is a folder in its own.
  const top = pod ? home : dirname(home);
  const isOurs = (folder: string) => folder === top || folder.startsWith(`${top}/`);
  return { ours: above.filter(isOurs), others: above.filter((folder) => !isOurs(folder)) };
}
