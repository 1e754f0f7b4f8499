/** Asks the worker's `factory` for its dialect and for the content of its store. */
import {
  type Dialect,
  dialectName,
  POSTGRES_DRIVER,
  parseDialect,
  parseError,
  parsePipelines,
  parseQueue,
} from '../../../scripts/lib/factory.ts';
import type { Argv, Effects } from '../effects/effects.ts';
import { hold, LOCK_BUSY, underLock } from '../effects/locks.ts';
import { which } from '../effects/which.ts';
import type { Environment } from '../environment.ts';
import { messageOf } from '../util/errors.ts';
import type { Store } from './view.ts';

const TIMEOUT_MS = 30_000;
/** SQLite gives up at once when two programs write; a moment later it works. */
const LOCKED_TRIES = 5;
const LOCKED_PAUSE_MS = 300;
const QUEUE_LOCK_SECONDS = 10;
const LOCKED = `the queue has been locked for ${QUEUE_LOCK_SECONDS} s; to see by whom: lslocks --output PID,COMMAND,PATH`;
const LIST: Argv = ['factory', 'queue', 'list', '--format', 'json'];

export interface Factory {
  /** Null when the program cannot be asked; the next call asks again. An answer is cached until the program is replaced. */
  dialect(): Promise<Dialect | null>;
  /**
   * Lets the program open its store, which creates or migrates it, while nothing else works on the queue.
   *
   * @throws Error with the program's message
   */
  open(): Promise<void>;
  /**
   * @param directory a clone with a pipeline configuration: `factory status` fails without one
   * @returns a string: why the store could not be read
   */
  store(directory: string): Promise<Store | string>;
  /**
   * Works on the queue under its lock, so that nothing else changes it meanwhile.
   *
   * @throws Error when the queue stays locked, or when `work` does
   */
  alone<T>(directory: string, work: (queue: Queue) => Promise<T>): Promise<T>;
}

/** The queue, for the holder of its lock. */
export interface Queue {
  /** @throws Error when the store cannot be read */
  look(): Promise<Store>;
  /** @throws Error with the program's message */
  call(argv: Argv): Promise<void>;
}

export function createFactory(
  { home, path, paths }: Environment,
  { clock, files, log, processes, tmux }: Effects,
): Factory {
  const dialects = new Map<string, Dialect>();

  const ask = async (argv: Argv, cwd: string): Promise<string> => {
    const call = argv.slice(argv.indexOf('factory')).join(' ');
    for (let tries = 1; ; tries += 1) {
      const result = await processes.run(argv, { cwd, timeoutMs: TIMEOUT_MS });
      if (result.timedOut) throw new Error(`${call}: no answer within ${TIMEOUT_MS / 1000} s`);
      if (result.code === LOCK_BUSY) throw new Error(LOCKED);
      if (result.code === 0) return result.stdout;
      if (tries >= LOCKED_TRIES || !result.stderr.includes('database is locked')) {
        throw new Error(`${call}: ${parseError(result.stderr) || `exit code ${result.code}`}`);
      }
      await clock.sleep(LOCKED_PAUSE_MS);
    }
  };

  const read = async (list: Argv, directory: string): Promise<Store> => {
    const rows = parseQueue(await ask(list, home));
    const pipelines = parsePipelines(await ask(['factory', 'status', '--format', 'json'], directory));
    return { rows, pipelines, sessions: (await tmux.sessions()) ?? [] };
  };

  return {
    async dialect() {
      const program = which(files, path, 'factory');
      const identity = program && files.identity(program);
      if (!program || !identity) return null;
      const known = dialects.get(identity);
      if (known) return known;
      const help = await processes.run([program, 'queue', 'add', '--help'], { timeoutMs: TIMEOUT_MS });
      if (help.code !== 0) return null;
      const driver: Argv = ['grep', '--quiet', '--text', '--fixed-strings', POSTGRES_DRIVER, program];
      const postgres = (await processes.run(driver, { timeoutMs: TIMEOUT_MS })).code === 0;
      const found = parseDialect(help.stdout, postgres);
      dialects.set(identity, found);
      log.line(`factory speaks dialect ${dialectName(found)}`);
      return found;
    },

    async open() {
      await ask(underLock(paths.queueLock, LIST, QUEUE_LOCK_SECONDS), home);
    },

    async store(directory) {
      try {
        // Under the queue's lock, so that a row is not seen before its project is recorded.
        return await read(underLock(paths.queueLock, LIST, QUEUE_LOCK_SECONDS, '--shared'), directory);
      } catch (error) {
        return messageOf(error);
      }
    },

    async alone(directory, work) {
      const lock = hold(processes, paths.queueLock);
      const patience = new AbortController();
      try {
        const failure = await Promise.race([
          lock.firstLine.then(() => null),
          lock.exited.then((code) => `cannot lock ${paths.queueLock}: flock ended with exit code ${code}`),
          clock.sleep(QUEUE_LOCK_SECONDS * 1000, patience.signal).then(() => LOCKED),
        ]);
        if (failure !== null) throw new Error(failure);
        return await work({
          look: () => read(LIST, directory),
          call: async (argv) => void (await ask(argv, directory)),
        });
      } finally {
        patience.abort();
        lock.release();
      }
    },
  };
}
