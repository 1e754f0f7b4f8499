/**
 * Where the files of a local worker are. All are in its own folder except the sockets of tmux and PostgreSQL, whose paths are
 * limited to about a hundred characters.
 */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CliError } from '../cli/errors.ts';
import { shellLine } from '../cli/text.ts';
import { FILES, type WorkerDirs } from '../contract.ts';

export interface LocalLayout {
  /** Absolute; with symbolic links resolved if it exists. */
  readonly dir: string;
  /** A private HOME; its `.factory` corresponds to the volume of a pod. */
  readonly home: string;
  readonly dirs: WorkerDirs;
  /** TMUX_TMPDIR. */
  readonly socketDir: string;
  /** Of its own PostgreSQL, if it has one (image/supervisor/database/cluster.ts). */
  readonly databaseSocketDir: string;
  readonly workerFile: string;
  readonly bootFile: string;
  readonly bootLock: string;
  readonly heartbeatFile: string;
  /** The supervisor's output. */
  readonly log: string;
}

/** @param dir the folder of the worker, which may not exist yet */
export function localLayout(dir: string): LocalLayout {
  const real = realPath(dir);
  const home = join(real, 'home');
  const dirs: WorkerDirs = {
    WORKER_CONFIG_DIR: join(real, 'config'),
    WORKER_SECRETS_DIR: join(real, 'secrets'),
    WORKER_RUN_DIR: join(real, 'run'),
    WORKER_STATE_DIR: join(home, '.factory', 'worker'),
    WORKER_REPOS_DIR: join(home, '.factory', 'repos'),
  };
  const socketDir = `/tmp/fw-${process.getuid?.() ?? 0}-${createHash('sha256').update(real).digest('hex').slice(0, 12)}`;
  return {
    dir: real,
    home,
    dirs,
    socketDir,
    databaseSocketDir: `${socketDir}-postgres`,
    workerFile: join(real, 'worker.json'),
    bootFile: join(dirs.WORKER_RUN_DIR, FILES.boot),
    bootLock: join(dirs.WORKER_STATE_DIR, FILES.bootLock),
    heartbeatFile: join(dirs.WORKER_RUN_DIR, FILES.heartbeat),
    log: join(dirs.WORKER_STATE_DIR, 'logs', 'supervisor.log'),
  };
}

/**
 * Creates the folder of the tmux socket.
 *
 * @throws CliError when it belongs to another user: /tmp is shared
 */
export function makeSocketDir({ socketDir }: LocalLayout): void {
  mkdirSync(socketDir, { recursive: true, mode: 0o700 });
  const stat = lstatSync(socketDir);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
    throw new CliError(`${socketDir} is not a private folder of yours`, {
      hints: [`check it, then: ${shellLine(['rm', '-r', socketDir])}`],
    });
  }
}

/**
 * @throws CliError on a machine that cannot run a local worker
 */
export function assertLinux(platform: NodeJS.Platform = process.platform): void {
  if (platform === 'linux') return;
  throw new CliError(
    'a local worker needs Linux (flock, /proc and GNU tail): run it in a Linux virtual machine or container; the other commands work here',
  );
}

function realPath(dir: string): string {
  try {
    return realpathSync(dir);
  } catch {
    return resolve(dir);
  }
}
