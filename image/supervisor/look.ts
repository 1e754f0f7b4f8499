/** Looks at everything the loop decides by. */
import {
  DEFAULT_SETTINGS,
  type DispatchRecord,
  type Repair,
  readJsonLines,
  type Settings,
} from '../../scripts/lib/contract.ts';
import {
  type Dialect,
  parseDialect,
  parseError,
  parsePipelines,
  parseQueue,
} from '../../scripts/lib/factory.ts';
import type { Clones } from './clones.ts';
import { drainReason } from './drain.ts';
import type { Argv, Effects } from './effects.ts';
import type { Environment } from './environment.ts';
import { isHeld, LOCK_BUSY, underLock } from './locks.ts';
import { parseSettings } from './settings.ts';
import { planWithoutStore, type Standing, type Store, type View } from './tick.ts';
import { which } from './tools.ts';

const TIMEOUT_MS = 30_000;
/** SQLite gives up at once when two programs write; a moment later it works. */
const LOCKED_TRIES = 5;
const LOCKED_PAUSE_MS = 300;
const QUEUE_LOCK_SECONDS = 10;

export interface Look {
  view(): Promise<View>;
  /** @param directory a clone with a pipeline configuration: without one `factory status` refuses */
  store(directory: string): Promise<Store | string>;
  settings(): Settings;
}

export function createLook(
  environment: Environment,
  effects: Effects,
  clones: Clones,
  toolsMissing: () => Promise<string | null>,
  obstacle: () => string | null = () => null,
): Look {
  const { clock, files, log, processes, tmux } = effects;
  const { dirs, paths } = environment;
  let settings: Settings = DEFAULT_SETTINGS;
  let complaint = '';
  const dialects = new Map<string, Dialect>();

  const readSettings = (): Settings => {
    try {
      settings = parseSettings(files.read(paths.settings));
      complaint = '';
    } catch (error) {
      // A half-edited ConfigMap must not stop the worker: what held so far goes on holding.
      if (`${error}` !== complaint) log.line(`${error}; the earlier settings stay`);
      complaint = `${error}`;
    }
    return settings;
  };

  /** Null when the program cannot be asked; it is asked again at the next tick. */
  const dialect = async (): Promise<Dialect | null> => {
    const program = which(files, environment.path, 'factory');
    const identity = program && files.identity(program);
    if (!program || !identity) return null;
    const known = dialects.get(identity);
    if (known) return known;
    const help = await processes.run([program, 'queue', 'add', '--help'], { timeoutMs: TIMEOUT_MS });
    if (help.code !== 0) return null;
    const driver: Argv = ['grep', '--quiet', '--text', '--fixed-strings', 'github.com/jackc/pgx', program];
    const postgres = (await processes.run(driver, { timeoutMs: TIMEOUT_MS })).code === 0;
    const found = parseDialect(help.stdout, postgres);
    dialects.set(identity, found);
    log.line(`factory speaks dialect ${found.name}${postgres ? ' with PostgreSQL' : ''}`);
    return found;
  };

  const ask = async (argv: Argv, cwd: string): Promise<string> => {
    for (let tries = 1; ; tries += 1) {
      const result = await processes.run(argv, { cwd, timeoutMs: TIMEOUT_MS });
      const call = argv.slice(argv.indexOf('factory')).join(' ');
      if (result.timedOut) throw new Error(`${call}: no answer within ${TIMEOUT_MS / 1000} s`);
      if (result.code === LOCK_BUSY) {
        throw new Error(
          `the queue has been locked for ${QUEUE_LOCK_SECONDS} s (locks/queue): who is holding it?`,
        );
      }
      if (result.code === 0) return result.stdout;
      if (tries >= LOCKED_TRIES || !result.stderr.includes('database is locked')) {
        throw new Error(`${call}: ${parseError(result.stderr) || `exit code ${result.code}`}`);
      }
      await clock.sleep(LOCKED_PAUSE_MS);
    }
  };

  const store = async (directory: string): Promise<Store | string> => {
    try {
      // Under the queue's lock, so that a row is not seen before it is recorded which project it belongs to.
      const list: Argv = ['factory', 'queue', 'list', '--format', 'json'];
      const rows = parseQueue(
        await ask(underLock(paths.queueLock, list, QUEUE_LOCK_SECONDS, '--shared'), environment.home),
      );
      const pipelines = parsePipelines(await ask(['factory', 'status', '--format', 'json'], directory));
      return { rows, pipelines, sessions: (await tmux.sessions()) ?? [] };
    } catch (error) {
      if (error instanceof SyntaxError) return `factory answered no JSON: ${error.message}`;
      return error instanceof Error ? error.message : String(error);
    }
  };

  return {
    settings: readSettings,
    store,
    async view() {
      const missing = await toolsMissing();
      const standing: Standing = {
        settings: readSettings(),
        drained: drainReason(files.read(paths.drain)),
        checkInRunning: await isHeld(processes, paths.checkInLock),
        toolsMissing: missing,
        obstacle: obstacle(),
        dialect: missing === null ? await dialect() : null,
        databaseUrl: environment.databaseUrl,
        clones: clones.look(),
      };
      const ready = standing.clones.find(({ state }) => state === 'ready');
      const idle = planWithoutStore(standing) !== null || ready === undefined;
      return {
        ...standing,
        store: idle ? 'not asked' : await store(ready.directory),
        dispatches: readJsonLines<DispatchRecord>(files.read(paths.dispatches) ?? ''),
        repairs: readJsonLines<Repair>(files.read(paths.repairs) ?? ''),
        reposDir: dirs.WORKER_REPOS_DIR,
        now: clock.now(),
      };
    },
  };
}
