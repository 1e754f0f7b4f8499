/** Restores the operator's terminal after a broken connection. */
import type { Context } from '../cli/command.ts';

/**
 * Remembers the terminal's settings. A connection that breaks leaves it in raw mode, on the alternate screen, with mouse
 * reports and bracketed paste on.
 */
export async function saveTerminal({ exec, stderr }: Context): Promise<{ restore: () => Promise<void> }> {
  const saved = await exec.run(['stty', '-g'], { inheritStdin: true });
  const settings = saved.code === 0 ? saved.stdout.toString('utf8').trim() : 'sane';
  return {
    async restore() {
      await exec.run(['stty', settings], { inheritStdin: true });
      const off = ['?1049l', '?1000l', '?1002l', '?1003l', '?1006l', '?2004l', '?1004l', '?1l', '?25h', '0m'];
      stderr.raw.write(`${off.map((sequence) => `\u001b[${sequence}`).join('')}\u001b>\r\n`);
    },
  };
}
