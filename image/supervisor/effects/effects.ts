/**
 * Interfaces for everything the supervisor does to the machine: plans decide, effects carry out, tests replace them.
 */

export type Argv = readonly [string, ...string[]];

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the worker's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** After this the process group is terminated; no limit when left out. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  /** 128 + n after signal n, 127 when the program does not exist, 124 after the time-out, 143 after an abort. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** A process group of its own that outlives the supervisor. */
export interface Detached {
  readonly pid: number;
  /** Its exit code, as in {@link RunResult}. */
  readonly exited: Promise<number>;
}

/** A child that lives exactly as long as the supervisor, or until released. */
export interface Held {
  /** Resolves with the first line that it prints. */
  readonly firstLine: Promise<string>;
  readonly exited: Promise<number>;
  release(): void;
}

/** The third and fourth end PostgreSQL's server quickly; 0 only asks whether the group exists. */
export type GroupSignal = 'SIGTERM' | 'SIGKILL' | 'SIGINT' | 'SIGQUIT' | 0;

export interface Processes {
  /** Runs a program to its end; does not reject when the program fails. */
  run(argv: Argv, options?: RunOptions): Promise<RunResult>;
  /** Starts a program that writes to files and outlives us: stdout replaces a file, stderr is appended to one. */
  startDetached(argv: Argv, options: { cwd: string; stdoutFile: string; stderrFile: string }): Detached;
  /** Starts a program whose stdin is a pipe from us, so that it notices our end, even after SIGKILL. */
  hold(argv: Argv): Held;
  /** Process ids whose command line satisfies the predicate. */
  find(matches: (argv: readonly string[]) => boolean): number[];
  /** The processes in the terminal sessions that the given processes lead (a pane's first process leads one). */
  inTerminalSessions(leaders: readonly number[]): { readonly pid: number; readonly group: number }[];
  /** Signals a process group; false when it no longer exists. One that is stopped obeys SIGTERM, too. */
  signalGroup(group: number, signal: GroupSignal): boolean;
  /** The processes that a process has started. */
  children(pid: number): number[];
  /** Whether a process only waits for time to pass: it sleeps or is stopped, and has started nothing but `sleep`. */
  isAsleep(pid: number): boolean;
  /** Stops a process (SIGSTOP), or lets it go on. */
  setStopped(pid: number, stopped: boolean): void;
  /** Whether a process has been stopped. */
  isStopped(pid: number): boolean;
  /** Adds a variable to the environment of every later child. */
  setVariable(name: string, value: string): void;
  /** Terminates what `run` is still running. */
  endAll(): void;
}

export interface TmuxSession {
  readonly name: string;
  /** Seconds since the epoch. */
  readonly createdAt: number;
  /** Time of the last output, seconds since the epoch. */
  readonly windowActivity: number;
  /** Attached clients. */
  readonly attached: number;
  /** Nothing runs in its panes but a shell that waits for a command. */
  readonly bareShell: boolean;
}

export interface TmuxPane {
  /** tmux's own id, such as `%3`: a server never reuses one. */
  readonly id: string;
  readonly session: string;
  /** Its first process, which leads a terminal session. */
  readonly pid: number;
  /** Its program has ended, and `remain-on-exit` keeps its output visible. */
  readonly dead: boolean;
}

export interface TmuxServer {
  readonly pid: number;
  readonly panes: readonly TmuxPane[];
}

/** The worker's tmux server. Names match exactly; only `newSession` ever starts a server. */
export interface Tmux {
  /**
   * Null when there is no server.
   *
   * @throws Error when the server does not answer
   */
  sessions(): Promise<TmuxSession[] | null>;
  /** The server with its panes. Returns null and throws like `sessions`. */
  server(): Promise<TmuxServer | null>;
  hasSession(name: string): Promise<boolean>;
  /**
   * @param command what runs in it; a login shell when left out
   * @throws Error with tmux's message
   */
  newSession(name: string, command?: Argv): Promise<void>;
  /** Runs the commands in a file, for what must not be in a command line. Without a server it does nothing. */
  source(file: string): Promise<void>;
  /** Keeps the pane and its output after its program has ended. */
  remainOnExit(name: string): Promise<void>;
  respawn(name: string, command: Argv): Promise<void>;
  /** Types text and Enter. */
  type(name: string, text: string): Promise<void>;
  /** The pane's screen and its scroll-back. */
  capture(pane: string): Promise<string>;
  /**
   * Copies what a pane prints from now on into a file, replacing any previous target.
   *
   * @param file relative to WORKER_RUN_DIR
   */
  pipe(pane: string, file: string): Promise<void>;
  killSession(name: string): Promise<void>;
  /** Shows a message to every attached client. */
  tell(text: string): Promise<void>;
  /** Final: no session can be created afterwards. */
  killServer(): Promise<void>;
}

/** Small files, read and written as a whole. */
export interface Files {
  /** Null when it cannot be read. */
  read(path: string): string | null;
  /** The last bytes, at most `maxBytes` and none before the offset `from` (0); empty when there is no file. */
  readEnd(path: string, maxBytes: number, from?: number): string;
  /** Atomic: readers see the old content or the new one. */
  write(path: string, text: string): void;
  /** In place: the file keeps its inode, and with it the locks on it. */
  overwrite(path: string, text: string): void;
  append(path: string, text: string): void;
  /** Creates the file or updates its time stamp. */
  touch(path: string): void;
  exists(path: string): boolean;
  size(path: string): number;
  /** Changes when the file is replaced or written; null when there is none. */
  identity(path: string): string | null;
  isExecutable(path: string): boolean;
  /** With every symbolic link resolved; the path itself when it does not exist. */
  realPath(path: string): string;
  /** Names in a directory; none when it cannot be read. */
  list(directory: string): string[];
  makeDirectory(path: string): void;
  /** Creates a directory with mode 0700, or throws when it belongs to another user or is open to others. */
  makePrivateDirectory(path: string): void;
  /** Throws when the directory is not writable. */
  probeWritable(directory: string): void;
  rename(from: string, to: string): void;
  remove(path: string): Promise<void>;
  /** Calls back with the name of what changed in a directory; returns a function that stops watching. */
  watch(directory: string, changed: (name: string) => void): () => void;
}

export interface Log {
  /** One line on stdout. */
  line(text: string): void;
  /** The same, and into the file that the boot session shows. */
  boot(text: string): void;
  /** The same, and into the file that the orchestrator session follows. */
  orchestrator(text: string): void;
}

export interface Effects {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly tmux: Tmux;
  readonly files: Files;
  readonly log: Log;
}
