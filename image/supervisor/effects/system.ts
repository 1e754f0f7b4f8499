/** The real clock, files and log. */
import {
  accessSync,
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../environment.ts';
import { timestamp } from '../util/time.ts';
import type { Clock, Effects, Files, Log } from './effects.ts';
import { ownScore, setScore } from './oom-score.ts';
import { createProcesses } from './processes.ts';
import { createTmux } from './tmux.ts';

export function createEffects(environment: Environment): Effects {
  // In a pod the out-of-memory killer spares the supervisor, but not its children.
  const score = ownScore(files);
  const processes = createProcesses(environment.child, undefined, (pid) => {
    if (environment.pod) setScore(files, pid, score);
  });
  return {
    clock,
    processes,
    files,
    tmux: createTmux(processes, files, environment.tmuxDir, environment.home),
    log: createLog(clock, files, environment),
  };
}

/** Node fires a longer timer immediately: a pause of a month would be no pause. */
const LONGEST_MS = 2 ** 31 - 1;

export const clock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, LONGEST_MS));
      signal?.addEventListener('abort', done, { once: true });
    }),
};

/** Nothing here is a secret, but other users need no access to a worker's state. */
const MODE = 0o600;

export const files: Files = {
  read(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    }
  },
  readEnd(path, maxBytes, from = 0) {
    const size = files.size(path);
    const offset = Math.max(from, size - maxBytes);
    if (size <= offset) return '';
    const descriptor = openSync(path, 'r');
    try {
      const buffer = Buffer.alloc(size - offset);
      return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, offset));
    } finally {
      closeSync(descriptor);
    }
  },
  write(path, text) {
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      writeFileSync(temporary, text, { mode: MODE });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  },
  overwrite: (path, text) => writeFileSync(path, text, { mode: MODE }),
  append: (path, text) => appendFileSync(path, text, { mode: MODE }),
  touch(path) {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      writeFileSync(path, '', { mode: MODE });
    }
  },
  exists: (path) => existsSync(path),
  size: (path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0,
  identity(path) {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}` : null;
  },
  isExecutable(path) {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  },
  realPath(path) {
    try {
      return realpathSync(path);
    } catch {
      return path;
    }
  },
  list(directory) {
    try {
      return readdirSync(directory).sort();
    } catch {
      return [];
    }
  },
  makeDirectory(path) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  makePrivateDirectory(path) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stat = lstatSync(path);
    if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
      throw new Error(`${path} must be a directory of this user with mode 0700: remove it and start again`);
    }
  },
  probeWritable(directory) {
    const probe = join(directory, `.probe-${process.pid}`);
    writeFileSync(probe, 'x', { mode: MODE });
    rmSync(probe);
  },
  rename: (from, to) => renameSync(from, to),
  remove: (path) => rm(path, { recursive: true, force: true }),
  watch(directory, changed) {
    try {
      const watcher = watch(directory, (_event, name) => changed(name ?? ''));
      // No inotify watch left, or the directory is gone: changes are still found at each interval.
      watcher.on('error', () => watcher.close());
      return () => watcher.close();
    } catch {
      return () => {};
    }
  },
};

function createLog(time: Clock, store: Files, { paths }: Environment): Log {
  // A closed pipe (the terminal that started us) must not end the worker.
  process.stdout.on('error', () => {});
  const line = (text: string): string => {
    const stamped = text
      .trimEnd()
      .split('\n')
      .map((part) => `${timestamp(time.now())} ${part}\n`)
      .join('');
    process.stdout.write(stamped);
    return stamped;
  };
  const also = (file: string, text: string) => {
    const stamped = line(text);
    try {
      store.append(file, stamped);
    } catch {
      // A full or read-only volume: stdout has the line.
    }
  };
  return {
    line: (text) => void line(text),
    boot: (text) => also(paths.bootLog, text),
    orchestrator: (text) => also(paths.orchestratorLog, text),
  };
}
