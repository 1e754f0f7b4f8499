/** A worker without a machine: a clock that is moved by hand, files in a map, processes and tmux from tables. */

import { localCredentials } from '../../image/supervisor/credentials/credentials.ts';
import type {
  Argv,
  Clock,
  Detached,
  Effects,
  Files,
  Held,
  Processes,
  RunResult,
  TmuxSession,
} from '../../image/supervisor/effects/effects.ts';
import { type Environment, readEnvironment } from '../../image/supervisor/environment.ts';
import type { Parts } from '../../image/supervisor/parts.ts';

export interface FakeClock extends Clock {
  /** Moves the time, firing what is due on the way, until everything that follows from it has been done. */
  advance(ms: number): Promise<void>;
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export function fakeClock(start = Date.parse('2026-11-22T15:12:15Z')): FakeClock {
  let now = start;
  const timers = new Set<{ at: number; fire: () => void }>();
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const timer = { at: now + ms, fire: () => done() };
        const done = () => {
          timers.delete(timer);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        timers.add(timer);
        signal?.addEventListener('abort', done, { once: true });
      }),
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (;;) {
        const next = [...timers].sort((a, b) => a.at - b.at).find(({ at }) => at <= until);
        if (next === undefined) break;
        now = Math.max(now, next.at);
        next.fire();
        await settle();
      }
      now = until;
      await settle();
    },
  };
}

export interface FakeFiles extends Files {
  readonly content: Map<string, string>;
  /** Calls the watchers of the file's directory, as a change by somebody else would. */
  touchedByOthers(path: string): void;
}

export function fakeFiles(initial: Readonly<Record<string, string>> = {}): FakeFiles {
  const content = new Map(Object.entries(initial));
  const watchers = new Map<string, (name: string) => void>();
  const below = (directory: string) => [...content.keys()].filter((path) => path.startsWith(`${directory}/`));
  const fake: FakeFiles = {
    content,
    read: (path) => content.get(path) ?? null,
    readEnd(path, maxBytes, from = 0) {
      const text = content.get(path) ?? '';
      return text.slice(Math.max(from, text.length - maxBytes));
    },
    write: (path, text) => void content.set(path, text),
    overwrite: (path, text) => void content.set(path, text),
    append: (path, text) => void content.set(path, (content.get(path) ?? '') + text),
    touch: (path) => void content.set(path, content.get(path) ?? ''),
    exists: (path) => content.has(path) || below(path).length > 0,
    size: (path) => content.get(path)?.length ?? 0,
    identity: (path) => (content.has(path) ? `${path}:${content.get(path)?.length}` : null),
    isExecutable: (path) => content.get(path)?.startsWith('#!') ?? false,
    realPath: (path) => path,
    list: (directory) => [
      ...new Set(below(directory).map((path) => path.slice(directory.length + 1).split('/')[0] ?? '')),
    ],
    makeDirectory: () => {},
    makePrivateDirectory: () => {},
    probeWritable: () => {},
    rename(from, to) {
      for (const path of [...content.keys()]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        content.set(to + path.slice(from.length), content.get(path) ?? '');
        content.delete(path);
      }
    },
    async remove(path) {
      for (const found of [path, ...below(path)]) content.delete(found);
    },
    watch(directory, changed) {
      watchers.set(directory, changed);
      return () => watchers.delete(directory);
    },
    touchedByOthers(path) {
      const cut = path.lastIndexOf('/');
      watchers.get(path.slice(0, cut))?.(path.slice(cut + 1));
    },
  };
  return fake;
}

export type Answer = Partial<RunResult> | Promise<Partial<RunResult>> | undefined;

export interface FakeProcesses extends Processes {
  /** Every argv that was run or started, in order. */
  readonly calls: string[];
  readonly signals: string[];
  /** Process groups that live; a signal ends one unless it is in `stubborn`. */
  readonly groups: Set<number>;
  readonly stubborn: Set<number>;
  /** What was added to the environment of the children. */
  readonly variables: Map<string, string>;
}

export interface ProcessTable {
  run(argv: Argv, options: { cwd?: string | undefined }): Answer;
  /** Exit code and stdout of a detached program. */
  detached?(argv: Argv): { stdout?: string; stderr?: string; code?: Promise<number> | number };
  hold?(argv: Argv): Held;
}

export function fakeProcesses(files: FakeFiles, table: ProcessTable): FakeProcesses {
  const calls: string[] = [];
  const signals: string[] = [];
  const groups = new Set<number>();
  const stubborn = new Set<number>();
  const variables = new Map<string, string>();
  let pid = 1000;
  return {
    calls,
    signals,
    groups,
    stubborn,
    variables,
    setVariable: (name, value) => void variables.set(name, value),
    async run(argv, options = {}) {
      calls.push(argv.join(' '));
      let ended: () => void = () => {};
      const abort = new Promise<Partial<RunResult>>((resolve) => {
        ended = () => resolve({ code: 143 });
        options.signal?.addEventListener('abort', ended, { once: true });
      });
      const answer = await Promise.race([Promise.resolve(table.run(argv, options) ?? {}), abort]);
      options.signal?.removeEventListener('abort', ended);
      return { code: 0, stdout: '', stderr: '', timedOut: false, ...answer };
    },
    startDetached(argv, { stdoutFile, stderrFile }): Detached {
      calls.push(argv.join(' '));
      const { stdout = '', stderr = '', code = 0 } = table.detached?.(argv) ?? {};
      files.write(stdoutFile, stdout);
      files.append(stderrFile, stderr);
      pid += 1;
      const group = pid;
      groups.add(group);
      const exited = Promise.resolve(code).then((value) => {
        groups.delete(group);
        return value;
      });
      return { pid: group, exited };
    },
    hold(argv) {
      calls.push(argv.join(' '));
      return (
        table.hold?.(argv) ?? {
          firstLine: Promise.resolve('locked'),
          exited: new Promise<number>(() => {}),
          release: () => void calls.push('released'),
        }
      );
    },
    find: () => [...groups],
    // Of each pane a job in a group of its own.
    inTerminalSessions: (leaders) =>
      leaders.flatMap((pid) => [
        { pid, group: pid },
        { pid: pid * 10, group: pid * 10 },
      ]),
    signalGroup(group, signal) {
      if (signal !== 0) signals.push(`${signal} ${group}`);
      const alive = groups.has(group);
      if (signal === 'SIGKILL' || (signal !== 0 && !stubborn.has(group))) groups.delete(group);
      return alive;
    },
    children: () => [],
    isAsleep: () => true,
    setStopped(pid, stopped) {
      signals.push(`${stopped ? 'SIGSTOP' : 'SIGCONT'} ${pid}`);
    },
    isStopped: () => false,
    endAll: () => void calls.push('end all'),
  };
}

export interface FakeTmux {
  readonly tmux: Effects['tmux'];
  /** Null while there is no server. */
  sessions: Map<string, TmuxSession & { command?: Argv | undefined; dead?: boolean }> | null;
  readonly calls: string[];
}

export function fakeTmux(clock: Clock, typed: (text: string) => void = () => {}): FakeTmux {
  const calls: string[] = [];
  const fake: FakeTmux = {
    sessions: null,
    calls,
    tmux: {
      sessions: async () => (fake.sessions === null ? null : [...fake.sessions.values()]),
      async server() {
        if (fake.sessions === null) return null;
        const panes = [...fake.sessions.values()].map(({ name, dead }, index) => ({
          id: `%${index}`,
          session: name,
          pid: 100 + index,
          dead: dead ?? false,
        }));
        return { pid: 99, panes };
      },
      hasSession: async (name) => fake.sessions?.has(name) ?? false,
      async newSession(name, command) {
        calls.push(`new ${name}`);
        fake.sessions ??= new Map();
        fake.sessions.set(name, {
          name,
          command,
          createdAt: Math.floor(clock.now() / 1000),
          windowActivity: Math.floor(clock.now() / 1000),
          attached: 0,
          bareShell: false,
        });
      },
      source: async (file) => void calls.push(`source ${file}`),
      remainOnExit: async (name) => void calls.push(`remain-on-exit ${name}`),
      respawn: async (name) => void calls.push(`respawn ${name}`),
      async type(_name, text) {
        typed(text);
      },
      capture: async () => '',
      pipe: async (pane, file) => void calls.push(`pipe ${pane} ${file}`),
      async killSession(name) {
        calls.push(`kill ${name}`);
        fake.sessions?.delete(name);
      },
      tell: async (text) => void calls.push(`tell ${text}`),
      async killServer() {
        calls.push('kill server');
        fake.sessions = null;
      },
    },
  };
  return fake;
}

export interface FakeLog {
  readonly log: Effects['log'];
  readonly lines: string[];
}

export function fakeLog(): FakeLog {
  const lines: string[] = [];
  const add = (text: string) => void lines.push(text);
  return { lines, log: { line: add, boot: add, orchestrator: add } };
}

export const DIRS = {
  WORKER_CONFIG_DIR: '/w/config',
  WORKER_SECRETS_DIR: '/w/secrets',
  WORKER_RUN_DIR: '/w/run',
  WORKER_STATE_DIR: '/w/state',
  WORKER_REPOS_DIR: '/w/repos',
};

export function fakeEnvironment(extra: NodeJS.ProcessEnv = {}, parentPid = 4711): Environment {
  const env = { HOME: '/w/home', PATH: '/bin', WORKER_NAME: 'w1', TMUX_TMPDIR: '/w/tmux', ...DIRS, ...extra };
  return readEnvironment(env, parentPid, 'here');
}

/** A worker without Docker, guards and recordings. */
export function fakeParts(environment: Environment, files: Files): Parts {
  return {
    docker: null,
    checkCredentials: async () => localCredentials(environment, files),
    prepare() {},
    maintain() {},
    sessionsChanged() {},
    async closeRecordings() {},
    obstacle: () => null,
    loginMissing: () => false,
  };
}
