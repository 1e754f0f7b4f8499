/** Tells whether an agent runs in a pane. `bare_shell` in scripts/remote/worker.sh does the same for the commands. */
import type { Files } from './effects.ts';

const SHELLS = /^(?:.*\/)?-?(?:bash|sh|dash|zsh|fish)$/;
const FLAGS = new Set(['', '-l', '-i', '--login']);

/**
 * Whether the process of a pane is a shell that waits for a command: text typed there would be executed. The name alone is not
 * enough, since an agent may be a script.
 *
 * @param pid the pane's first process
 */
export function isBareShell(pid: number, files: Pick<Files, 'read'>): boolean {
  const [program = '', flag = ''] = (files.read(`/proc/${pid}/cmdline`) ?? '').split('\0');
  if (!SHELLS.test(program) || !FLAGS.has(flag)) return false;
  const stat = files.read(`/proc/${pid}/stat`) ?? '';
  // After the name in parentheses: state, parent, group, session, terminal, foreground group.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group !== undefined && group === foreground;
}
