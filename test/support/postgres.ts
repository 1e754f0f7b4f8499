/**
 * A PostgreSQL server for tests: the real one, on a Unix socket in a folder of its own, gone with the tests.
 *
 *     const server = await Postgres.start();
 *     const url = await server.createDatabase();   // postgres:///d1?host=/tmp/pg-…&port=5432&user=factory
 *     await server.stop();                          // as in an outage; server.run() brings it back
 *     await server.remove();
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder } from './janitor.ts';
import { isRoot } from './needs.ts';
import { until } from './until.ts';

const run = promisify(execFile);

/** Where Debian has the server's programs, which are not on PATH; the newest version. Null when there is none. */
export const POSTGRES_BIN = findPrograms();

/** The role of every test, with all rights, as the one that a worker's own server has. */
const ROLE = 'factory';
const PORT = '5432';

/** Nothing of a test outlives a crash of the machine. */
const FAST = ['fsync=off', 'full_page_writes=off', 'shared_buffers=16MB'];

/** Whom the server runs as; our own user when empty. */
interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

export class Postgres {
  /** Folder of the Unix socket. */
  readonly folder: string;
  /** PostgreSQL refuses to run as root. */
  readonly #user: ServerUser;
  #server: ChildProcess | null = null;
  #databases = 0;

  private constructor(folder: string, user: ServerUser) {
    this.folder = folder;
    this.#user = user;
  }

  /** Creates a server and waits until it answers. */
  static async start(): Promise<Postgres> {
    const folder = await makeFolder('pg-');
    const user: ServerUser = isRoot ? await serverUser() : {};
    if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
    const server = new Postgres(folder, user);
    const options = ['--auth=trust', '--no-sync', '--no-locale', '--encoding=UTF8'];
    await run(program('initdb'), [`--pgdata=${server.#data}`, `--username=${ROLE}`, ...options], {
      ...user,
      cwd: folder,
    });
    await server.run();
    return server;
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  /** Starts the server; also after `stop`. */
  async run(): Promise<void> {
    const settings = [`unix_socket_directories=${this.folder}`, `port=${PORT}`, 'listen_addresses=', ...FAST];
    this.#server = spawn(
      program('postgres'),
      ['-D', this.#data, ...settings.flatMap((setting) => ['-c', setting])],
      // Its temporary files and the janitor know it by this folder.
      { ...this.#user, cwd: this.folder, stdio: 'ignore' },
    );
    await until('PostgreSQL answers', () => this.sql('SELECT 1', 'postgres'));
  }

  /** The URL of a database, as DATABASE_URL has it. */
  url(database: string): string {
    return `postgres:///${database}?host=${this.folder}&port=${PORT}&user=${ROLE}`;
  }

  /** @returns the URL of a new, empty database */
  async createDatabase(name = `d${++this.#databases}`): Promise<string> {
    // template0 never has a visitor, and a database with one cannot be copied.
    await this.sql(`CREATE DATABASE ${name} TEMPLATE template0`, 'postgres');
    return this.url(name);
  }

  /** Runs SQL. @returns what it prints, one line for each row */
  async sql(statement: string, database: string): Promise<string> {
    const argv = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set=ON_ERROR_STOP=1'];
    const { stdout } = await run(program('psql'), [...argv, `--command=${statement}`, this.url(database)]);
    return stdout.trimEnd();
  }

  /**
   * A database as an operator has one: of a user with no other rights, who needs a password.
   *
   * @returns its URL
   */
  async createForeign(user: string, password: string): Promise<string> {
    const file = join(this.#data, 'pg_hba.conf');
    await writeFile(file, `local all ${user} scram-sha-256\n${await readFile(file, 'utf8')}`);
    await this.sql(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'; SELECT pg_reload_conf()`, 'postgres');
    await this.sql(`CREATE DATABASE ${user} OWNER ${user} TEMPLATE template0`, 'postgres');
    const url = new URL(this.url(user));
    url.searchParams.delete('user');
    return `postgres://${user}:${encodeURIComponent(password)}@/${user}${url.search}`;
  }

  /** Ends the server at once, as a crash does; its data stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null || server.exitCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGQUIT');
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function program(name: string): string {
  if (POSTGRES_BIN === null) throw new Error('PostgreSQL is not installed: there is no /usr/lib/postgresql');
  return join(POSTGRES_BIN, name);
}

function findPrograms(): string | null {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return null;
  const versions = readdirSync(root).sort((one, other) => Number(other) - Number(one));
  return (
    versions.map((version) => join(root, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb'))) ??
    null
  );
}

async function serverUser(): Promise<{ uid: number; gid: number }> {
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8')) ?? [];
  if (uid === undefined) throw new Error('there is no user postgres for the server');
  return { uid: Number(uid), gid: Number(gid) };
}
