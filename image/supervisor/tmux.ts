/** The worker's tmux server: the default socket under TMUX_TMPDIR, since `factory` knows no other. */
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
    // tmux quietly falls back to /tmp when the directory is gone (a cleaner of /tmp, say). There it would find, and at
    // shutdown kill, somebody else's server.
    if (directory !== null) files.makePrivateDirectory(directory);
    return processes.run(['tmux', ...args], { timeoutMs, cwd: home });
  };
  const must = async (...args: string[]): Promise<RunResult> => {
    const result = await run(...args);
    if (result.code !== 0) throw new Error(`tmux ${args[0]}: ${complaint(result)}`);
    return result;
  };

  const starting = new Set<Promise<RunResult>>();
  let closed = false;

  return {
    async sessions() {
      const result = await run(
        'list-windows',
        '-a',
        '-F',
        '#{window_activity} #{session_attached} #{session_name}',
      );
      // A server that does not answer still has its sessions: taking them for gone would run their stages twice.
      if (result.code !== 0) {
        // The last two: it ended while it was being asked.
        if (/^(no server running|error connecting|server exited|lost server)/.test(result.stderr))
          return null;
        throw new Error(`tmux list-windows: ${complaint(result)}`);
      }
      const sessions = new Map<string, TmuxSession>();
      for (const [activity, attached, name] of records(result.stdout)) {
        const windowActivity = Math.max(Number(activity), sessions.get(name)?.windowActivity ?? 0);
        sessions.set(name, { name, windowActivity, attached: Number(attached) });
      }
      return [...sessions.values()];
    },

    async panes() {
      const { stdout } = await run('list-panes', '-a', '-F', '#{pane_pid} #{pane_dead} #{session_name}');
      return records(stdout).map(([pid, dead, session]) => ({
        session,
        pid: Number(pid),
        dead: dead === '1',
      }));
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
      // A session that is just being made would bring a server back.
      closed = true;
      await Promise.allSettled(starting);
      await run('kill-server');
    },
  };
}

/** The command that follows a file by its name, through truncation and rotation. */
export function follow(file: string): Argv {
  return ['tail', '-n', '1000', '-F', '--', file];
}

/** The name that tmux gives a session: it replaces the separators of its own target syntax. */
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

/** Lines of three fields separated by one blank; the last one takes the rest, blanks included. */
function records(text: string): [string, string, string][] {
  return lines(text).map((line) => {
    const [first = '', second = '', ...rest] = line.split(' ');
    return [first, second, rest.join(' ')];
  });
}
