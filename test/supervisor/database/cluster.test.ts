import { describe, expect, it } from 'vitest';
import {
  clusterOf,
  findPrograms,
  foldersAbove,
  readPostmaster,
  serverArgv,
} from '../../../image/supervisor/database/cluster.ts';
import { fakeEnvironment, fakeFiles } from '../fakes.ts';

const LOCAL = fakeEnvironment({ TMUX_TMPDIR: '/tmp/fw-1000-0123456789ab' });
const POD = fakeEnvironment(
  {
    WORKER_RUNTIME: 'pod',
    TMUX_TMPDIR: '',
    HOME: '/root',
    WORKER_RUN_DIR: '/run/factory-worker',
    WORKER_STATE_DIR: '/root/.factory/worker',
  },
  1,
);

describe('the places of the server', () => {
  it('are on the volume, but for the socket', () => {
    expect(clusterOf(POD)).toMatchObject({
      data: '/root/.factory/worker/postgres/data',
      socketDir: '/run/factory-worker/postgres',
      url: 'postgres:///factory?host=/run/factory-worker/postgres&port=5432&user=factory',
    });
  });

  it('of a local worker have a socket with a short path, wherever its folder is', () => {
    const long = { ...LOCAL, dirs: { ...LOCAL.dirs, WORKER_RUN_DIR: `/${'x'.repeat(200)}` } };
    expect(`${clusterOf(long).socketDir}/.s.PGSQL.5432`.length).toBeLessThan(60);
  });

  it('are passed by the user of the server: those of the worker are opened, others are not', () => {
    expect(foldersAbove(POD)).toEqual({
      ours: ['/root/.factory/worker', '/root/.factory', '/root'],
      others: [],
    });
    const dirs = { ...LOCAL.dirs, WORKER_STATE_DIR: '/home/me/w/home/.factory/worker' };
    expect(foldersAbove({ pod: false, home: '/home/me/w/home', dirs })).toEqual({
      ours: ['/home/me/w/home/.factory/worker', '/home/me/w/home/.factory', '/home/me/w/home', '/home/me/w'],
      others: ['/home/me', '/home'],
    });
  });
});

describe('the server', () => {
  it('listens on a socket only, and its WAL is limited', () => {
    const argv = serverArgv('/pg/bin', clusterOf(POD));
    expect(argv).toContain('listen_addresses=');
    expect(argv).toContain('max_wal_size=128MB');
    expect(argv.join(' ')).not.toContain('://');
  });

  it.each([
    ['nothing', null, null],
    ['an empty file', '', null],
    ['a start', '71\n/data\n1764000000\n5432\n/run\n\n  1 2\nstarting\n', { pid: 71, ready: false }],
    ['a server', '71\n/data\n1764000000\n5432\n/run\n\n  1 2\nready   \n', { pid: 71, ready: true }],
  ])('postmaster.pid: %s', (_case, text, found) => expect(readPostmaster(text)).toEqual(found));
});

describe('its programs', () => {
  const installed = (...paths: string[]) => fakeFiles(Object.fromEntries(paths.map((path) => [path, '#!'])));
  const debian = (version: number) => `/usr/lib/postgresql/${version}/bin/postgres`;

  it.each([
    [
      'the newest of Debian',
      installed(debian(9), debian(15), debian(16)),
      null,
      '/usr/lib/postgresql/16/bin',
    ],
    ['those that made the data', installed(debian(15), debian(16)), '15', '/usr/lib/postgresql/15/bin'],
    ['those on PATH', installed('/bin/postgres'), '15', '/bin'],
  ])('are %s', (_case, files, version, bin) => expect(findPrograms(files, LOCAL, version)).toBe(bin));

  it.each([
    [
      'on this machine',
      LOCAL,
      /there is no PostgreSQL server here: apt-get install postgresql-15, or give a DATABASE_URL$/,
    ],
    ['in a pod', POD, /use an image that was built with postgresql-15, or give a DATABASE_URL$/],
  ])('are missing: %s', (_case, environment, why) =>
    expect(() => findPrograms(installed(), environment, null)).toThrow(why),
  );

  it('of another version are not used for the data', () => {
    expect(() => findPrograms(installed(debian(16)), LOCAL, '15')).toThrow(
      'the database was made by PostgreSQL 15, and there is only 16 here: apt-get install postgresql-15',
    );
  });
});
