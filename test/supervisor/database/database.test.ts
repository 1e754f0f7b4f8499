/** The life of the database with a server that is none; test/local/postgres.worker.test.ts has the real one. */
import { describe, expect, it } from 'vitest';
import { createDatabase } from '../../../image/supervisor/database/database.ts';
import type { Server } from '../../../image/supervisor/database/server.ts';
import { shortHash } from '../../../scripts/lib/short-hash.ts';
import { DIRS, fakeClock, fakeEnvironment, fakeFiles, fakeLog, fakeProcesses, fakeTmux } from '../fakes.ts';
import { A } from '../loop/factory-samples.ts';

const URL_FILE = `${DIRS.WORKER_RUN_DIR}/database-url`;
const OWN = 'postgres:///factory?host=/s&port=5432&user=factory';

interface Options {
  readonly wish?: string;
  readonly postgres?: boolean;
  readonly url?: string;
  readonly files?: Record<string, string>;
  /** What each start of the server, and each first call of the program, throws. */
  readonly server?: (string | null)[];
  readonly factory?: (string | null)[];
}

function world({
  wish = '',
  postgres = true,
  url,
  files: given = {},
  server = [],
  factory = [],
}: Options = {}) {
  const clock = fakeClock();
  const files = fakeFiles({ [URL_FILE]: 'of an earlier boot', ...given });
  const processes = fakeProcesses(files, { run: () => ({}) });
  const tmux = fakeTmux(clock);
  const environment = fakeEnvironment({ FACTORY_DATABASE: wish, ...(url ? { DATABASE_URL: url } : {}) });
  const calls: string[] = [];
  const notes: string[] = [];
  let die: (reason: string) => void = () => {};
  const next = (answers: (string | null)[]) => {
    const why = answers.shift() ?? null;
    if (why !== null) throw new Error(why);
  };
  const own: Server = {
    url: OWN,
    async start(_signal, ended) {
      calls.push('start the server');
      die = ended;
      next(server);
    },
    maintain() {},
    stop: async () => 'stopped',
  };
  const database = createDatabase(
    environment,
    { clock, files, processes, tmux: tmux.tmux, log: fakeLog().log },
    {
      server: own,
      factory: {
        dialect: async () => ({ ...A, postgres }),
        async open() {
          calls.push(`first call, URL ${files.exists(URL_FILE) ? 'told' : 'untold'}`);
          next(factory);
        },
      },
      changed: (phase) => void notes.push(phase === null ? '-' : `${phase.status} ${phase.message}`),
    },
  );
  const start = () => database.start(new AbortController().signal);
  return {
    calls,
    clock,
    database,
    tmux: tmux.calls,
    die: (reason: string) => die(reason),
    files,
    notes,
    processes,
    start,
  };
}

describe('a worker with SQLite', () => {
  it('starts nothing and tells no URL, whatever was there before', async () => {
    const it_ = world({ postgres: false });
    expect(await it_.start()).toEqual({ status: 'ok', message: 'SQLite' });
    expect(it_.database.status()).toEqual({ kind: 'sqlite', state: 'ready' });
    expect(it_.calls).toEqual([]);
    expect(it_.processes.calls).toEqual([]);
    expect(it_.files.exists(URL_FILE)).toBe(false);
    expect(it_.database.ownServer()).toBe(false);
  });
});

describe('a worker with a server of its own', () => {
  it('tells its URL after the first call, which is alone', async () => {
    const it_ = world();
    expect(await it_.start()).toEqual({ status: 'ok', message: 'PostgreSQL of its own' });
    expect(it_.calls).toEqual(['start the server', 'first call, URL untold']);
    expect(it_.files.read(URL_FILE)).toBe(`${OWN}\n`);
    expect(it_.processes.variables.get('DATABASE_URL')).toBe(OWN);
    expect(it_.database.status()).toEqual({ kind: 'postgres', state: 'ready' });
    expect(it_.database.ownServer()).toBe(true);
  });

  it('that does not start is tried again, later each time', async () => {
    const it_ = world({ server: ['no space left', 'no space left', null] });
    expect(await it_.start()).toEqual({ status: 'failed', message: 'no space left' });
    await it_.clock.advance(10);
    expect(it_.database.status()).toMatchObject({
      state: 'failed',
      says: 'no space left (tried again in 1.0s, attempt 1)',
    });
    await it_.clock.advance(1_000);
    expect(it_.database.status().says).toBe('no space left (tried again in 2.0s, attempt 2)');
    await it_.clock.advance(2_000);
    expect(it_.database.status()).toEqual({ kind: 'postgres', state: 'ready' });
    expect(it_.notes.at(-1)).toBe('ok PostgreSQL of its own');
  });

  it('that ends comes back, and after a while of health at once again', async () => {
    const it_ = world();
    await it_.start();
    for (const pause of [1, 2]) {
      it_.die('PostgreSQL ended with exit code 137: see x');
      expect(it_.database.status()).toEqual({
        kind: 'postgres',
        state: 'down',
        says: `PostgreSQL ended with exit code 137: see x (tried again in ${pause}.0s, attempt ${pause})`,
      });
      await it_.clock.advance(pause * 1_000);
      expect(it_.database.status().state).toBe('ready');
    }
    await it_.clock.advance(6 * 60_000);
    it_.die('PostgreSQL ended');
    expect(it_.database.status().says).toContain('attempt 1)');
  });

  it('that is being stopped does not come back', async () => {
    const it_ = world();
    await it_.start();
    expect(await it_.database.stop(new AbortController().signal)).toBe('stopped');
    it_.die('PostgreSQL ended with exit code 0: see x');
    await it_.clock.advance(60_000);
    expect(it_.calls).toHaveLength(2);
  });
});

describe('a worker with a database of the operator', () => {
  const url = 'postgres://me:very-secret-word@db.example.com/queue';

  it.each([
    ['in the environment', { url }],
    ['in the Secret', { files: { [`${DIRS.WORKER_SECRETS_DIR}/DATABASE_URL`]: `${url}\n` } }],
  ])('%s uses it, and starts no server', async (_case, options) => {
    const it_ = world(options);
    expect(await it_.start()).toEqual({ status: 'ok', message: 'PostgreSQL at DATABASE_URL' });
    expect(it_.calls).toEqual(['first call, URL untold']);
    expect(it_.files.read(URL_FILE)).toBe(`${url}\n`);
    expect(it_.processes.variables.get('DATABASE_URL')).toBe(url);
    expect(it_.database.ownServer()).toBe(false);
  });

  it('never says its password', async () => {
    const it_ = world({ url, factory: [`cannot parse \`${url}\`: failed`] });
    const { message } = await it_.start();
    expect(message).not.toContain('secret');
    await it_.clock.advance(10);
    expect(JSON.stringify([it_.database.status(), it_.notes])).not.toContain('secret');
  });

  it('that is missing is not waited for', async () => {
    const it_ = world({ wish: 'url' });
    expect(await it_.start()).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('DATABASE_URL'),
    });
    expect(it_.database.status()).toMatchObject({ kind: 'url', state: 'failed' });
    await it_.clock.advance(120_000);
    expect(it_.calls).toEqual([]);
  });
});

describe('a URL in the Secret that is replaced', () => {
  const SECRET = `${DIRS.WORKER_SECRETS_DIR}/DATABASE_URL`;
  const [OLD, NEW] = ['postgres://me:old-password@db/x', 'postgres://me:new-password@db/x'];
  const settle = (it_: ReturnType<typeof world>) => it_.clock.advance(10);

  it('is taken up: by the next calls, the commands and new panes, and in no command line', async () => {
    const it_ = world({ files: { [SECRET]: `${OLD}\n` } });
    await it_.start();
    void it_.database.maintain();
    expect(it_.calls).toHaveLength(1);
    it_.files.write(SECRET, `${NEW}\n`);
    void it_.database.maintain();
    void it_.database.maintain();
    await settle(it_);
    expect(it_.calls).toHaveLength(2);
    expect(it_.processes.variables.get('DATABASE_URL')).toBe(NEW);
    expect(it_.files.read(URL_FILE)).toBe(`${NEW}\n`);
    expect(it_.tmux).toEqual([`source ${URL_FILE}.tmux`]);
    expect(it_.files.exists(`${URL_FILE}.tmux`)).toBe(false);
    expect(JSON.stringify(it_.processes.calls)).not.toContain('password');
    expect(it_.database.status()).toEqual({ kind: 'url', state: 'ready', urlHash: shortHash(NEW) });
  });

  it('that does not work is tried again, and so is the one that replaces it', async () => {
    const it_ = world({ files: { [SECRET]: OLD }, factory: [null, `${NEW} is refused`, null] });
    await it_.start();
    it_.files.write(SECRET, NEW);
    void it_.database.maintain();
    await settle(it_);
    expect(it_.database.status()).toMatchObject({ kind: 'url', state: 'down', urlHash: shortHash(NEW) });
    expect(it_.database.status().says).not.toContain('new-password');
    expect(it_.files.read(URL_FILE)).toBe(`${OLD}\n`);
    it_.files.write(SECRET, OLD);
    void it_.database.maintain();
    // At once, without the rest of the pause.
    await settle(it_);
    expect(it_.calls).toHaveLength(3);
    expect(it_.database.status()).toEqual({ kind: 'url', state: 'ready', urlHash: shortHash(OLD) });
    expect(it_.files.read(URL_FILE)).toBe(`${OLD}\n`);
  });

  it.each([null, 'no answer'])('while another one is tried does not get its answer: %s', async (answer) => {
    const it_ = world({ files: { [SECRET]: OLD }, factory: [null, answer, null] });
    await it_.start();
    it_.files.write(SECRET, NEW);
    void it_.database.maintain();
    it_.files.write(SECRET, OLD);
    void it_.database.maintain();
    await settle(it_);
    expect(it_.calls).toHaveLength(3);
    expect(it_.files.read(URL_FILE)).toBe(`${OLD}\n`);
    expect(it_.database.status()).toEqual({ kind: 'url', state: 'ready', urlHash: shortHash(OLD) });
  });

  it('is of no interest to a worker that has another database, or the URL in its environment', async () => {
    for (const options of [{ wish: 'postgres' }, { url: OLD }, { postgres: false }]) {
      const it_ = world(options);
      await it_.start();
      const calls = it_.calls.length;
      it_.files.write(SECRET, NEW);
      void it_.database.maintain();
      await settle(it_);
      expect(it_.calls).toHaveLength(calls);
      expect(it_.processes.variables.get('DATABASE_URL')).not.toBe(NEW);
    }
  });
});
