/** The worker's tmux server: the default socket under TMUX_TMPDIR, the only one that `factory` uses. */
import { isBareShell } from './bare-shell.ts';
import type { Argv, Files, Processes, RunResult, Tmux, TmuxSession } from './effects.ts';

/**
 * @param directory TMUX_TMPDIR; null for tmux's own default
 * @param home where new sessions start
 */
export function createTmux(
  processes: Processes,
  files: Files,
  directory: string | null,
  home: string,
  timeoutMs = 10_000,
): Tmux {
  const run = (...args: string[]): Promise<RunResult> => {
    // tmux silently falls back to /tmp when the directory is gone (a cleaner of /tmp, say). There it would find, and at
    // shutdown kill, the server of another program.
    if (directory !== null) files.makePrivateDirectory(directory);
    return processes.run(['tmux', ...args], { timeoutMs, cwd: home });
  };
  const must = async (...args: string[]): Promise<RunResult> => {
    const result = await run(...args);
    if (result.code !== 0) throw new Error(`tmux ${args[0]}: ${complaint(result)}`);
    return result;
  };

  /** The lines of an answer; null when there is no server. */
  const ask = async (...args: string[]): Promise<string[] | null> => {
    const result = await run(...args);
    // A server that does not answer still has its sessions: treating them as gone would run their stages twice.
    if (!result.timedOut) {
      // How a server without a session (exit-empty is off) answers a request for all of them.
      if (result.code === 0 || result.stderr.startsWith('no current target')) return lines(result.stdout);
      // The last two: the server ended during the request.
      if (/^(no server running|error connecting|server exited|lost server)/.test(result.stderr)) return null;
    }
    throw new Error(`tmux ${args[0]}: ${complaint(result)}`);
  };

  const starting = new Set<Promise<RunResult>>();
  let closed = false;

  return {
    async sessions() {
      const format = '#{session_created} #{window_activity} #{session_attached} #{pane_pid} #{session_name}';
      const panes = await ask('list-panes', '-a', '-F', format);
      if (panes === null) return null;
      const sessions = new Map<string, TmuxSession>();
      for (const [created, activity, attached, pid, name = ''] of panes.map((line) => split(line, 5))) {
        const others = sessions.get(name);
        sessions.set(name, {
          name,
          createdAt: Number(created),
          windowActivity: Math.max(Number(activity), others?.windowActivity ?? 0),
          attached: Number(attached),
          bareShell: (others?.bareShell ?? true) && isBareShell(Number(pid), files),
        });
      }
      return [...sessions.values()];
    },

    async server() {
      const format = '#{pane_id} #{pane_pid} #{pane_dead} #{session_name}';
      const answer = await ask('display-message', '-p', '#{pid}', ';', 'list-panes', '-a', '-F', format);
      if (answer === null) return null;
      const [serverPid, ...panes] = answer;
      return {
        pid: Number(serverPid),
        panes: panes.map((line) => {
          const [id = '', pid, dead, session = ''] = split(line, 4);
          return { id, session, pid: Number(pid), dead: dead === '1' };
        }),
      };
    },

    async source(file) {
      await ask('source-file', file);
    },

    hasSession: async (name) => (await run('has-session', '-t', `=${name}`)).code === 0,

    async newSession(name, command) {
      if (closed) throw new Error('tmux is being stopped');
      const start = must('new-session', '-d', '-s', name, '-x', '200', '-y', '50', ...(command ?? []));
      starting.add(start);
      await start.finally(() => starting.delete(start));
    },

    async remainOnExit(name) {
      await must('set-option', '-p', '-t', `=${name}:`, 'remain-on-exit', 'on');
    },

    async respawn(name, command) {
      await must('respawn-pane', '-t', `=${name}:`, ...command);
    },

    async type(name, text) {
      await must('send-keys', '-t', `=${name}:`, '-l', text);
      await must('send-keys', '-t', `=${name}:`, 'Enter');
    },

    capture: async (pane) => (await run('capture-pane', '-p', '-J', '-S', '-', '-t', pane)).stdout,

    async pipe(pane, file) {
      // A shell expands the variable: tmux would expand special characters of the path in its command.
      await run('pipe-pane', '-t', pane, `exec cat >"$WORKER_RUN_DIR/${file}"`);
    },

    async killSession(name) {
      await run('kill-session', '-t', `=${name}`);
    },

    async tell(text) {
      const { stdout } = await run('list-clients', '-F', '#{client_name}');
      // display-message expands formats.
      const literal = text.replaceAll('#', '##').replaceAll('%', '%%');
      await Promise.all(
        lines(stdout).map((client) => run('display-message', '-c', client, '-d', '10000', literal)),
      );
    },

    async killServer() {
      // A session that is being created would start the server again.
      closed = true;
      await Promise.allSettled(starting);
      await run('kill-server');
    },
  };
}

/** The command that follows a file by name, through truncation and rotation. */
export function follow(file: string): Argv {
  return ['tail', '-n', '1000', '-F', '--', file];
}

/** The name that tmux gives a session: it replaces the separators of its target syntax. */
export function tmuxName(session: string): string {
  return session.replace(/[.:]/g, '_');
}

function complaint({ code, stderr, timedOut }: RunResult): string {
  if (timedOut) return 'the server does not answer';
  return stderr.trim() || `exit code ${code}`;
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** Splits a line into words; the last one takes the rest, blanks included. */
function split(line: string, fields: number): string[] {
  const words = line.split(' ');
  return [...words.slice(0, fields - 1), words.slice(fields - 1).join(' ')];
}
