/**
 * The worker's database: which one it has, whether it is there, and that it comes back. Only a worker with PostgreSQL has
 * anything to do for it; SQLite is a file that the program opens by itself.
 */
import type { Database, DatabaseKind, PhaseStatus } from '../../../scripts/lib/contract.ts';
import { shortHash } from '../../../scripts/lib/short-hash.ts';
import { knownSecrets, maskTokens } from '../../../scripts/lib/tokens.ts';
import type { PhaseResult } from '../boot/run.ts';
import type { Effects } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import type { Factory } from '../loop/factory.ts';
import { messageOf } from '../util/errors.ts';
import { duration } from '../util/time.ts';
import { chooseDatabase } from './choice.ts';
import type { Server } from './server.ts';

/** The key of the Secret, the variable of the program. */
const URL_NAME = 'DATABASE_URL';
/** 1 s, 2 s, 4 s, … at most a minute. It never gives up. */
const BACKOFF_MOST_MS = 60_000;
/** A server that was up this long was healthy: its end resets the back-off. */
const STEADY_MS = 5 * 60_000;

export interface WorkerDatabase {
  /** The first start. After a failure it is retried in the background. */
  start(signal: AbortSignal): Promise<PhaseResult>;
  status(): Database;
  /** To be called every few seconds. */
  maintain(): Promise<void>;
  /** Whether there is a server that has to be stopped. */
  ownServer(): boolean;
  stop(signal: AbortSignal): Promise<string>;
}

export interface DatabaseNeeds {
  readonly factory: Pick<Factory, 'dialect' | 'open'>;
  readonly server: Server;
  /** Called at every change of the status. After the start it comes with the state of the phase. */
  readonly changed: (phase: { readonly status: PhaseStatus; readonly message: string } | null) => void;
}

export function createDatabase(
  environment: Environment,
  { clock, files, processes, tmux }: Effects,
  { factory, server, changed }: DatabaseNeeds,
): WorkerDatabase {
  const { database, dirs, paths } = environment;
  let status: Database = { kind: 'sqlite', state: 'starting' };
  let url = '';
  let readySince = 0;
  let failures = 0;
  /** The phase itself reports how the first start went. */
  let started = false;
  let retrying = false;
  /** Ends the pause before the next try. */
  let wake = new AbortController();
  const stopping = new AbortController();

  const become = (state: Database['state'], says?: string): void => {
    status = {
      kind: status.kind,
      state,
      ...(says ? { says } : {}),
      ...(status.kind === 'url' && url !== '' ? { urlHash: shortHash(url) } : {}),
    };
    const phase = {
      status: state === 'ready' ? ('ok' as const) : ('failed' as const),
      message: says ?? NAMES[kind()],
    };
    changed(started ? phase : null);
  };
  const kind = (): DatabaseKind => status.kind as DatabaseKind;
  const mask = (text: string): string => maskTokens(text, knownSecrets([url]));

  const givenUrl = (): string =>
    database.url ?? files.read(`${dirs.WORKER_SECRETS_DIR}/${URL_NAME}`)?.trim() ?? '';

  /** @returns null, or why the program cannot use the database */
  const open = async (signal: AbortSignal): Promise<string | null> => {
    for (;;) {
      const tried = url;
      // Of one that was replaced meanwhile the answer is of no use.
      const outdated = () => url !== tried && !stopping.signal.aborted;
      try {
        if (kind() === 'postgres') await server.start(signal, ended);
        // Alone, and before anybody else is told the URL: two first calls of the program get in each other's way.
        await factory.open();
        if (outdated()) continue;
        files.write(paths.databaseUrl, `${url}\n`);
        return null;
      } catch (error) {
        if (!outdated()) return mask(messageOf(error));
      }
    }
  };

  const ended = (reason: string): void => {
    if (stopping.signal.aborted || status.state !== 'ready') return;
    if (clock.now() - readySince > STEADY_MS) failures = 0;
    void comeBack('down', mask(reason));
  };

  const ready = (): void => {
    readySince = clock.now();
    become('ready');
  };

  /** Tries until the database is there. */
  const comeBack = async (state: 'down' | 'failed', reason: string): Promise<void> => {
    retrying = true;
    for (let why = reason; ; ) {
      failures += 1;
      const pause = Math.min(1000 * 2 ** (failures - 1), BACKOFF_MOST_MS);
      become(state, `${why} (tried again in ${duration(pause)}, attempt ${failures})`);
      wake = new AbortController();
      await clock.sleep(pause, AbortSignal.any([stopping.signal, wake.signal]));
      if (stopping.signal.aborted) return;
      const complaint = await open(stopping.signal);
      if (stopping.signal.aborted) return;
      if (complaint === null) {
        retrying = false;
        return ready();
      }
      why = complaint;
    }
  };

  /** New panes get the variables of the tmux server. */
  const tellSessions = async (): Promise<void> => {
    const file = `${paths.databaseUrl}.tmux`;
    files.write(file, `set-environment -g ${URL_NAME} '${url.replaceAll("'", "'\\''")}'\n`);
    try {
      await tmux.source(file);
    } finally {
      await files.remove(file);
    }
  };

  /** A URL that was replaced in the Secret. What runs keeps the old one until it ends. */
  const takeUp = async (): Promise<void> => {
    const given = givenUrl();
    if (kind() !== 'url' || !started || given === '' || given === url || stopping.signal.aborted) return;
    url = given;
    processes.setVariable(URL_NAME, url);
    failures = 0;
    if (retrying) wake.abort();
    else {
      retrying = true;
      const complaint = await open(stopping.signal);
      retrying = false;
      if (stopping.signal.aborted) return;
      if (complaint === null) ready();
      else void comeBack('down', complaint);
    }
    await tellSessions();
  };

  const startPostgres = async (signal: AbortSignal): Promise<PhaseResult> => {
    processes.setVariable(URL_NAME, url);
    const complaint = await open(AbortSignal.any([signal, stopping.signal]));
    if (complaint === null) {
      ready();
      return { status: 'ok', message: NAMES[kind()] };
    }
    become('failed', complaint);
    retrying = true;
    // Only after the phase has been recorded as failed, so that its note does not come first.
    if (!stopping.signal.aborted) void clock.sleep(0).then(() => comeBack('failed', complaint));
    return { status: 'failed', message: complaint };
  };

  return {
    status: () => status,
    ownServer: () => kind() === 'postgres',
    async maintain() {
      if (kind() === 'postgres') server.maintain();
      else await takeUp();
    },

    async start(signal) {
      // Of an earlier boot: no program is told where the database is before it is there.
      await files.remove(paths.databaseUrl);
      // Not asked where the answer does not matter.
      const dialect = database.wish === 'sqlite' ? null : await factory.dialect();
      const given = givenUrl();
      const choice = chooseDatabase({
        wish: database.wish,
        postgresBuild: dialect?.postgres ?? null,
        urlGiven: given !== '',
      });
      status = { kind: choice.kind, state: 'starting' };
      try {
        if (choice.refused !== null) {
          become('failed', choice.refused);
          return { status: 'failed', message: choice.refused };
        }
        if (choice.kind === 'sqlite') {
          become('ready');
          return { status: 'ok', message: NAMES.sqlite };
        }
        url = choice.kind === 'url' ? given : server.url;
        changed(null);
        return await startPostgres(signal);
      } finally {
        started = true;
      }
    },

    async stop(signal) {
      stopping.abort();
      return server.stop(signal);
    },
  };
}

const NAMES: Readonly<Record<DatabaseKind, string>> = {
  sqlite: 'SQLite',
  postgres: 'PostgreSQL of its own',
  url: 'PostgreSQL at DATABASE_URL',
};
