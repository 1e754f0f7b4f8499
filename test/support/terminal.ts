/**
 * A real terminal for tests: a window of a private tmux server. A command runs in it as if a person had typed it; keys are
 * typed, and what is on the screen is read.
 *
 *     const terminal = await openTerminal();
 *     const window = await terminal.run('node … attach w', { TERM: 'xterm-ghostty' });
 *     await window.shows('Available sessions:');
 *     await window.press('2', 'Enter');
 *     expect(await window.ended()).toEqual({ code: 0, restored: true });
 *     await terminal.close();
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './until.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export class Terminal {
  readonly #dir: string;
  #windows = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Starts a command in a window of its own. Its shell remembers the exit code and the terminal's settings before and after.
   *
   * @param env added to the environment of the test
   */
  async run(
    command: string,
    env: NodeJS.ProcessEnv = {},
    size: Size = { columns: 100, rows: 30 },
  ): Promise<Window> {
    const name = `w${++this.#windows}`;
    const file = join(this.#dir, name);
    const variables = Object.entries(env).map(([key, value]) => `export ${key}=${quote(value ?? '')}\n`);
    await writeFile(
      file,
      `${variables.join('')}stty -g >${file}.before\n${command} & echo $! >${file}.pid; fg >/dev/null\ncode=$?\nstty -g >${file}.after\necho "exit=$code"\nexec sleep 3600\n`,
    );
    await this.tmux(
      'new-session',
      '-d',
      '-s',
      name,
      '-x',
      `${size.columns}`,
      '-y',
      `${size.rows}`,
      'bash',
      '--norc',
      '--noprofile',
      '-m',
      file,
    );
    return new Window(this, name, file);
  }

  tmux(...args: string[]): Promise<string> {
    const env = {
      ...process.env,
      TMUX_TMPDIR: this.#dir,
      TMUX: undefined,
      NO_COLOR: undefined,
      CI: undefined,
      LANG: 'C.UTF-8',
    };
    return new Promise((resolve, reject) => {
      execFile('tmux', ['-u', '-f', join(this.#dir, 'conf'), ...args], { env }, (error, stdout, stderr) => {
        if (error) reject(new Error(`tmux ${args[0]}: ${stderr}`));
        else resolve(stdout);
      });
    });
  }

  async close(): Promise<void> {
    await this.tmux('kill-server').catch(() => {});
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

export class Window {
  readonly #terminal: Terminal;
  readonly #name: string;
  readonly #file: string;

  constructor(terminal: Terminal, name: string, file: string) {
    this.#terminal = terminal;
    this.#name = name;
    this.#file = file;
  }

  /** What is on the screen, without blank lines below. */
  async screen(...options: string[]): Promise<string> {
    return (await this.#terminal.tmux('capture-pane', '-p', '-t', `=${this.#name}:`, ...options)).trimEnd();
  }

  /** Waits until the screen shows something. */
  async shows(text: string | RegExp): Promise<void> {
    const there = (screen: string) => (typeof text === 'string' ? screen.includes(text) : text.test(screen));
    await until(`${text} on the screen`, () => this.screen(), there);
  }

  /** Presses keys, by the names tmux has for them: `C-b`, `Enter`, `Down`. */
  async press(...keys: string[]): Promise<void> {
    await this.#terminal.tmux('send-keys', '-t', `=${this.#name}:`, ...keys);
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.#terminal.tmux('send-keys', '-l', '-t', `=${this.#name}:`, text);
  }

  /** Whether the bell has rung since the last time this was asked. */
  async rang(): Promise<boolean> {
    const format = '#{window_bell_flag}';
    const rung = await this.#terminal.tmux('display-message', '-p', '-t', `=${this.#name}:0`, format);
    if (rung.trim() !== '1') return false;
    // tmux forgets it when one comes to the window from another.
    await this.#terminal.tmux('new-window', '-t', `=${this.#name}:`, 'cat');
    await this.#terminal.tmux('select-window', '-t', `=${this.#name}:0`);
    await this.#terminal.tmux('kill-window', '-t', `=${this.#name}:1`);
    return true;
  }

  async resize({ columns, rows }: Size): Promise<void> {
    await this.#terminal.tmux('resize-window', '-t', `=${this.#name}:`, '-x', `${columns}`, '-y', `${rows}`);
  }

  /** The process of the command itself. */
  async pid(): Promise<number> {
    const read = () => readFile(`${this.#file}.pid`, 'utf8');
    return Number(await until('its process id', read, (text) => /^\d+\n/.test(text)));
  }

  /** Waits for the end of the command. `restored` says whether it left the terminal's settings as it found them. */
  async ended(): Promise<{ code: number; restored: boolean }> {
    await this.shows(/^exit=\d+$/m);
    const read = (suffix: string) => readFile(`${this.#file}.${suffix}`, 'utf8');
    const [code = ''] = /(?<=^exit=)\d+$/m.exec(await this.screen()) ?? [];
    return { code: Number(code), restored: (await read('before')) === (await read('after')) };
  }
}

export async function openTerminal(): Promise<Terminal> {
  // /tmp itself: the path of a tmux socket may have no more than 107 bytes.
  const dir = await mkdtemp('/tmp/tt-');
  await writeFile(
    join(dir, 'conf'),
    'set -g default-terminal xterm-256color\nset -s escape-time 0\nset -s exit-empty off\n',
  );
  return new Terminal(dir);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
