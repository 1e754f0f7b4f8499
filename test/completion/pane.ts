/** A shell on a terminal of its own, typed into as a person would. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/until.ts';

export class Pane {
  readonly #dir = mkdtempSync(join(tmpdir(), 'fw-pane-'));
  #completions = 0;

  /** @param argv the shell, to be started with nothing but `env` */
  constructor(argv: readonly string[], env: Readonly<Record<string, string>>) {
    const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      '150',
      '-y',
      '40',
      'env',
      '-i',
      ...pairs,
      ...argv,
    );
  }

  #tmux(...args: string[]): string {
    const env = { PATH: process.env['PATH'], TMUX_TMPDIR: this.#dir, LANG: 'C.UTF-8' };
    return execFileSync('tmux', args, { encoding: 'utf8', env });
  }

  type(text: string): void {
    this.#tmux('send-keys', '-l', '--', text);
  }

  /** Presses keys by tmux's names for them: `Tab`, `C-u`. */
  press(...keys: string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  screen(): string {
    return this.#tmux('capture-pane', '-p').trimEnd();
  }

  /** Waits until the screen matches. */
  async shows(text: RegExp): Promise<void> {
    await until(
      String(text),
      () => this.screen(),
      (screen) => text.test(screen),
    );
  }

  /** Runs a line and waits for its end. */
  async run(line: string): Promise<void> {
    this.press('C-e', 'C-u');
    this.type(`${line}; clear; echo do''ne`);
    this.press('Enter');
    // With the prompt: what is typed before it is there would be echoed in front of it.
    await this.shows(/^done\n\$$/);
  }

  /**
   * Types a line and presses Tab with the cursor `back` characters before its end.
   *
   * @returns the line as it is then; `Z` stands where the cursor is
   */
  async complete(typed: string, back = 0): Promise<string> {
    this.press('C-e', 'C-u');
    this.type(typed);
    this.press(...Array<string>(back).fill('Left'), 'Tab');
    // Read by the shell only once the completion is over. Another one each time: the line before may still be there.
    const mark = `Z${this.#completions++}Z`;
    this.type(mark);
    await this.shows(new RegExp(`^\\$ .*${mark}`, 'm'));
    const line = this.screen()
      .split('\n')
      .find((text) => text.includes(mark));
    return String(line).slice('$ '.length).replace(mark, 'Z').trimEnd();
  }

  close(): void {
    this.#tmux('kill-server');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
