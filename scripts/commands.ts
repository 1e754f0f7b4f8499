/** Every command by name. The umbrella command and completion read this table; a command's code is loaded only when used. */
import type { Command } from './lib/cli/command.ts';
import type { Flags } from './lib/cli/flags.ts';

export interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command<Flags>>;
  /** For programs: not among the commands that the help lists and completion offers. */
  readonly hidden?: boolean;
}

const entry = <F extends Flags>(summary: string, load: () => Promise<Command<F>>): CommandEntry => ({
  summary,
  load: load as unknown as CommandEntry['load'],
});

export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  list: entry('Show all workers: pod, status, sessions, queue', async () => (await import('./list.ts')).list),
  status: entry(
    'Show one worker in full: what is wrong and what to do, queue, sessions, boot',
    async () => (await import('./status.ts')).status,
  ),
  peek: entry('Show what a session shows, without attaching', async () => (await import('./peek.ts')).peek),
  attach: entry(
    'Join a session of a worker on this terminal',
    async () => (await import('./attach.ts')).attach,
  ),
  exec: entry('Run a program in a worker', async () => (await import('./exec.ts')).exec),
  dispatch: entry(
    'Put issues into the queue of a worker',
    async () => (await import('./dispatch.ts')).dispatch,
  ),
  workers: entry(
    'Add, remove and show the workers the commands know',
    async () => (await import('./workers.ts')).workers,
  ),
  local: entry(
    'Start, stop and show workers on this machine',
    async () => (await import('./local.ts')).local,
  ),
  'shell-init': entry(
    'Print what makes bash, zsh or fish know factory worker …, with completion',
    async () => (await import('./shell-init.ts')).shellInit,
  ),
  complete: {
    ...entry(
      'Print what may stand at the cursor; the shells ask at each Tab',
      async () => (await import('./complete.ts')).complete,
    ),
    hidden: true,
  },
};
