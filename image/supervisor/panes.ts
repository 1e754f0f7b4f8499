/** The panes of the worker's tmux server, as far as recording them and sparing the server needs it. */
import type { Files, Processes } from './effects.ts';

const TIMEOUT_MS = 10_000;

export interface Pane {
  /** tmux's own id, such as `%3`: never used twice by a server. */
  readonly id: string;
  readonly session: string;
  /** Its first process, which leads a session of the kernel. */
  readonly pid: number;
  readonly dead: boolean;
  /** Something is piped out of it already. */
  readonly piped: boolean;
}

export interface Panes {
  list(): Promise<Pane[]>;
  /** Null when no server answers. */
  serverPid(): Promise<number | null>;
  /** Everything the pane shows and remembers. */
  capture(id: string): Promise<string>;
  /**
   * Copies what it prints from now on into a file; replaces what it was piped into before.
   *
   * @param file relative to WORKER_RUN_DIR
   */
  pipe(id: string, file: string): Promise<void>;
}

export function createPanes({ run }: Processes): Panes {
  const tmux = (...args: string[]) => run(['tmux', ...args], { timeoutMs: TIMEOUT_MS });
  return {
    async list() {
      const format = '#{pane_id} #{pane_pid} #{pane_dead} #{pane_pipe} #{session_name}';
      const { stdout } = await tmux('list-panes', '-a', '-F', format);
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [id = '', pid, dead, piped, ...session] = line.split(' ');
          return {
            id,
            pid: Number(pid),
            dead: dead === '1',
            piped: piped === '1',
            session: session.join(' '),
          };
        });
    },
    async serverPid() {
      const { code, stdout } = await tmux('display-message', '-p', '#{pid}');
      const pid = Number.parseInt(stdout, 10);
      return code === 0 && pid > 1 ? pid : null;
    },
    capture: async (id) => (await tmux('capture-pane', '-p', '-J', '-S', '-', '-t', id)).stdout,
    async pipe(id, file) {
      // A shell finds the folder in its environment: in the command, tmux would expand what the path contains.
      await tmux('pipe-pane', '-t', id, `exec cat >"$WORKER_RUN_DIR/${file}"`);
    },
  };
}

/** The processes that live in the given sessions of the kernel, read from /proc. */
export function processesOfSessions(files: Files, sessions: readonly number[]): number[] {
  return files
    .list('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid) || pid <= 1) return false;
      const stat = files.read(`/proc/${pid}/stat`) ?? '';
      // Field 6 of proc(5)'s stat, counted behind the command, which may contain anything.
      const session = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
      return sessions.includes(session);
    });
}
