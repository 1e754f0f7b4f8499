/** The worker's own PostgreSQL: created once on the volume, started, taken over from an earlier supervisor, and stopped. */
import { join } from 'node:path';
import type { Argv, Detached, Effects } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import { spare } from '../oom.ts';
import { duration } from '../util/time.ts';
import {
  CREATE_DATABASE,
  clusterOf,
  findPrograms,
  foldersAbove,
  initdbArgv,
  PREPARE_ROLE,
  psqlArgv,
  readPostmaster,
  SYSTEM_USER,
  serverArgv,
} from './cluster.ts';

const POLL_MS = 25;
/** How often a server that we did not start is looked at. */
const ADOPTED_POLL_MS = 1_000;
const CALL_MS = 60_000;
const LOG_LIMIT_BYTES = 5 * 1024 * 1024;
const TAIL_BYTES = 8 * 1024;
/** How long the server has to obey, for each kind of shutdown. */
const FAST_MS = 5_000;
const IMMEDIATE_MS = 2_000;

export interface Server {
  readonly url: string;
  /**
   * Brings the server up, with role and database; one that runs already is taken over.
   *
   * @param ended called when that server has ended, with the reason
   * @throws Error with one sentence
   */
  start(signal: AbortSignal, ended: (reason: string) => void): Promise<void>;
  /** Keeps its log small. */
  maintain(): void;
  /** @returns a message for the log; empty when it obeyed at once, or there was nothing to stop */
  stop(signal: AbortSignal): Promise<string>;
}

/** @param root whether we are root, which PostgreSQL refuses to run as */
export function createServer(
  environment: Environment,
  { clock, files, processes }: Effects,
  root = process.getuid?.() === 0,
): Server {
  const cluster = clusterOf(environment);
  const { folder, data, unfinished, socketDir, log } = cluster;
  let server: Detached | null = null;

  const as = (argv: Argv): Argv =>
    root
      ? [
          'setpriv',
          `--reuid=${SYSTEM_USER}`,
          `--regid=${SYSTEM_USER}`,
          '--clear-groups',
          '--no-new-privs',
          ...argv,
        ]
      : argv;

  const must = async (argv: Argv, signal?: AbortSignal): Promise<string> => {
    // The user of the server may not be able to enter our own folder.
    const options = { cwd: '/', timeoutMs: CALL_MS, ...(signal ? { signal } : {}) };
    const { code, stdout, stderr, timedOut } = await processes.run(argv, options);
    if (code === 0) return stdout;
    const program = argv.find((word) => word.startsWith('/')) ?? argv[0];
    throw new Error(
      `${program.split('/').at(-1)}: ${timedOut ? `no answer within ${duration(CALL_MS)}` : lastWords(stderr) || `exit code ${code}`}`,
    );
  };

  const checkUser = (): void => {
    if (!root || /^postgres:/m.test(files.read('/etc/passwd') ?? '')) return;
    throw new Error(
      `PostgreSQL does not run as root, and there is no user ${SYSTEM_USER}: useradd --system ${SYSTEM_USER}, or start the worker as another user`,
    );
  };

  /**
   * The folders belong to the server's user and are closed to all others: PostgreSQL refuses to start otherwise, and what
   * mounts or restores a volume may have changed that.
   */
  const prepareFolders = async (): Promise<void> => {
    files.makeDirectory(folder);
    if (root) {
      const { ours, others } = foldersAbove(environment);
      await must(['chmod', 'o+x', ...ours]);
      await must(['chown', '--recursive', '--no-dereference', `${SYSTEM_USER}:`, folder]);
      await must(as(['test', '-w', folder])).catch(() => {
        throw new Error(
          `the user ${SYSTEM_USER} cannot get to ${folder}: chmod o+x ${others.filter((path) => path !== '/').join(' ')}`,
        );
      });
    }
    await must(['chmod', '0700', folder, ...(files.exists(data) ? [data] : [])]);
    // What a killed server has left in it is of no use, and another user's may be in its place.
    await files.remove(socketDir);
    files.makePrivateDirectory(socketDir);
    if (root) {
      await must(['chown', `${SYSTEM_USER}:root`, socketDir]);
      await must(['chmod', '0770', socketDir]);
    }
  };

  /** In a folder of another name, so that an interrupted one is begun again. */
  const create = async (bin: string, signal: AbortSignal): Promise<void> => {
    if (files.exists(data)) {
      throw new Error(`${data} has no PG_VERSION, so it is not a database: look into it, then move it away`);
    }
    await files.remove(unfinished);
    await must(as(initdbArgv(bin, cluster)), signal);
    if (signal.aborted) throw new Error('stopped');
    files.rename(unfinished, data);
  };

  /** What the server wrote last, without its time stamp. */
  const lastLogged = (from: number): string =>
    lastWords(files.readEnd(log, TAIL_BYTES, from)) || `see ${log}`;

  const running = (): { readonly pid: number; readonly ready: boolean } | null => {
    const postmaster = readPostmaster(files.read(join(data, 'postmaster.pid')));
    // Its working folder, since the number may be another process by now.
    const itsFolder = postmaster === null ? null : files.realPath(`/proc/${postmaster.pid}/cwd`);
    return itsFolder === files.realPath(data) ? postmaster : null;
  };

  /** The server of a supervisor that was killed: check-ins and agents that outlived it still use it. */
  const adopt = (pid: number): Detached => ({
    pid,
    exited: (async () => {
      while (processes.signalGroup(pid, 0)) await clock.sleep(ADOPTED_POLL_MS);
      return 0;
    })(),
  });

  const launch = (bin: string): Detached => {
    const child = processes.startDetached(as(serverArgv(bin, cluster)), {
      cwd: '/',
      stdoutFile: '/dev/null',
      stderrFile: log,
    });
    // Before it starts processes of its own, which inherit the score.
    if (environment.pod) spare(files, child.pid);
    return child;
  };

  const untilReady = async (child: Detached, logged: number, signal: AbortSignal): Promise<void> => {
    let code: number | null = null;
    void child.exited.then((ended) => {
      code = ended;
    });
    // No time limit: after a crash it reads its WAL, and ending it would only begin that again.
    while (code === null && !signal.aborted) {
      const postmaster = readPostmaster(files.read(join(data, 'postmaster.pid')));
      if (postmaster?.pid === child.pid && postmaster.ready) return;
      await clock.sleep(POLL_MS, signal);
    }
    throw new Error(
      code === null
        ? `PostgreSQL is still starting: ${lastLogged(logged)}`
        : describeEnd(code, lastLogged(logged)),
    );
  };

  const prepareDatabase = async (bin: string): Promise<void> => {
    const count = await must(as(psqlArgv(bin, cluster, PREPARE_ROLE)));
    if (count.trim() === '0') await must(as(psqlArgv(bin, cluster, CREATE_DATABASE)));
  };

  return {
    url: cluster.url,

    async start(signal, ended) {
      checkUser();
      const version = files.read(join(data, 'PG_VERSION'))?.trim() ?? null;
      const bin = findPrograms(files, environment, version);
      const logged = files.size(log);
      if (server === null) {
        const earlier = running();
        if (earlier === null) {
          await prepareFolders();
          if (version === null) await create(bin, signal);
        }
        const child = earlier === null ? launch(bin) : adopt(earlier.pid);
        server = child;
        void child.exited.then((code) => {
          if (server !== child) return;
          server = null;
          ended(describeEnd(code, lastLogged(logged)));
        });
      }
      await untilReady(server, logged, signal);
      await prepareDatabase(bin);
    },

    maintain() {
      // The server appends to the file, so it is emptied in place.
      if (files.size(log) <= LOG_LIMIT_BYTES) return;
      files.write(`${log}.1`, files.readEnd(log, LOG_LIMIT_BYTES));
      files.overwrite(log, '');
    },

    async stop(signal) {
      const child = server;
      server = null;
      if (child === null) return '';
      const obeys = (name: 'SIGINT' | 'SIGQUIT', ms: number): Promise<boolean> => {
        processes.signalGroup(child.pid, name);
        return Promise.race([
          child.exited.then(() => true),
          clock.sleep(ms, signal).then(() => !processes.signalGroup(child.pid, 0)),
        ]);
      };
      // SIGTERM would wait for every client; the second one gives up the final checkpoint, and the next start makes up for it.
      if (await obeys('SIGINT', FAST_MS)) return '';
      if (await obeys('SIGQUIT', IMMEDIATE_MS)) return `was slow, and was stopped without a checkpoint`;
      processes.signalGroup(child.pid, 'SIGKILL');
      return 'killed';
    },
  };
}

function describeEnd(code: number, said: string): string {
  return `PostgreSQL ended with exit code ${code}: ${said}`;
}

/** The message that says why, of what a PostgreSQL program has printed. */
function lastWords(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const why = lines.findLast((line) => /(FATAL|PANIC|error): /.test(line)) ?? lines.at(-1) ?? '';
  return why
    .replace(/^[\d-]+ [\d:.]+ \w+ \[\d+\] /, '')
    .trim()
    .slice(0, 300);
}
