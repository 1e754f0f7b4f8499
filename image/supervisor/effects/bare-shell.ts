/** Tells whether an agent runs in a pane. `bare_shell` in scripts/remote/worker.sh does the same for the commands. */
import type { Files } from './effects.ts';

const SHELLS = /^(?:.*\/)?-?(?:bash|sh|dash|zsh|fish)$/;
const FLAGS = new Set(['', '-l', '-i', '--login']);

/**
 * Whether a shell waits for a command in a pane whose process that is: what is typed there is executed. Its name alone does
 * not tell, since an agent may be a script.
 */
export function isBareShell(pid: number, files: Pick<Files, 'read'>): boolean {
  const [program = '', flag = ''] = (files.read(`/proc/${pid}/cmdline`) ?? '').split('\0');
  if (!SHELLS.test(program) || !FLAGS.has(flag)) return false;
  const stat = files.read(`/proc/${pid}/stat`) ?? '';
  // After the name in brackets: state, parent, group, session, terminal, the group in its foreground.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group !== undefined && group === foreground;
}
