/** An operator's terminal: a real one, in a tmux server of the test's own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { shellQuote } from '../../scripts/lib/cli/text.ts';
import { ROOT, until } from './cluster.ts';
import type { Operator } from './operator.ts';
import type { TestWorker } from './worker.ts';

/** `attach` to a worker, in a terminal that is closed when the test ends. */
export function attach(operator: Operator, { name }: TestWorker, ...flags: string[]): Terminal {
  const terminal = new Terminal(operator.argv('attach', name, ...flags), operator.env);
  onTestFinished(() => terminal.close());
  return terminal;
}

export class Terminal {
  // Short, since a socket's path may have no more than 108 bytes.
  readonly #folder = mkdtempSync('/tmp/fwc-tty-');

  /** @param env complete; nothing of the test's own environment gets in */
  constructor(argv: readonly string[], env: NodeJS.ProcessEnv, { columns = 100, rows = 30 } = {}) {
    const assignments = Object.entries(env).map(([name, value]) => `${name}=${shellQuote(value ?? '')}`);
    // The exit code stays to be read on the screen.
    const line = `cd ${shellQuote(ROOT)}; env -i ${assignments.join(' ')} ${argv.map(shellQuote).join(' ')}; echo "[ended with $?]"; sleep 600`;
    const size = ['-x', String(columns), '-y', String(rows)];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'laptop', ...size, 'bash', '-c', line);
  }

  #tmux(...args: string[]): string {
    const env = {
      PATH: process.env['PATH'],
      TMUX_TMPDIR: this.#folder,
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
    };
    return execFileSync('tmux', args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux('send-keys', '-t', 'laptop', '-l', text);
  }

  /** Presses keys by tmux' names for them: Enter, C-b, C-c, Down. */
  press(...keys: string[]): void {
    this.#tmux('send-keys', '-t', 'laptop', ...keys);
  }

  /** Types a line, with Enter. */
  enter(line: string): void {
    this.type(line);
    this.press('Enter');
  }

  /** Types what detaches a tmux client. */
  detach(): void {
    this.press('C-b', 'd');
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-t', 'laptop', '-x', String(columns), '-y', String(rows));
  }

  /** What can be seen, with what has scrolled away above. */
  screen(): string {
    return this.#tmux('capture-pane', '-p', '-J', '-S', '-200', '-t', 'laptop').trimEnd();
  }

  /** Waits until the screen shows something, and gives it. */
  shows(pattern: string | RegExp, seconds = 60): Promise<string> {
    return until(`the terminal shows ${pattern}`, seconds, () => {
      const screen = this.screen();
      const found = typeof pattern === 'string' ? screen.includes(pattern) : pattern.test(screen);
      if (!found) throw new Error(`it shows:\n${screen}`);
      return screen;
    });
  }

  /** Waits until what can be seen is a session of a worker, with its status line. */
  async joined(session: string, seconds = 60): Promise<void> {
    await until(`the terminal is in ${session}`, seconds, () => {
      const visible = this.#tmux('capture-pane', '-p', '-t', 'laptop');
      if (!visible.includes(`[${session}]`)) throw new Error(`it shows:\n${visible}`);
      return true;
    });
  }

  close(): void {
    try {
      this.#tmux('kill-server');
    } catch {
      // It has ended already.
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
