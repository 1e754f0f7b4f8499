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
  why: entry(
    'Say what is wrong with a worker, by what it was seen, and what to type',
    async () => (await import('./why.ts')).why,
  ),
  queue: entry(
    'Show and change the queue of a worker: remove, requeue, set-intent',
    async () => (await import('./queue.ts')).queue,
  ),
  unstick: entry(
    'Set a stuck issue going again, or give it up',
    async () => (await import('./unstick.ts')).unstick,
  ),
  peek: entry('Show what a session shows, without attaching', async () => (await import('./peek.ts')).peek),
  sessions: entry(
    'Show the sessions of a worker: stage, issue, state, who is attached',
    async () => (await import('./sessions.ts')).sessions,
  ),
  logs: entry(
    'Show what a worker or one of its sessions has printed, also after it is gone',
    async () => (await import('./logs.ts')).logs,
  ),
  send: entry('Type a text into a session, without attaching', async () => (await import('./send.ts')).send),
  wait: entry(
    'Wait until a worker is idle or an issue has ended',
    async () => (await import('./wait.ts')).wait,
  ),
  watch: entry(
    'Say when an issue ends, a session waits for a person, or a worker is in trouble',
    async () => (await import('./watch.ts')).watchWorkers,
  ),
  attach: entry(
    'Join a session of a worker on this terminal',
    async () => (await import('./attach.ts')).attach,
  ),
  exec: entry('Run a program in a worker', async () => (await import('./exec.ts')).exec),
  dispatch: entry(
    'Put issues into the queue of a worker',
    async () => (await import('./dispatch.ts')).dispatch,
  ),
  shell: entry('Open a shell in a worker', async () => (await import('./shell.ts')).shell),
  cp: entry('Copy files and folders into a worker, and out of it', async () => (await import('./cp.ts')).cp),
  'port-forward': entry(
    'Reach a port of a worker, such as one of its compose stacks, from this machine',
    async () => (await import('./port-forward.ts')).portForward,
  ),
  doctor: entry(
    'Check laptop, cluster and workers before something goes wrong',
    async () => (await import('./doctor.ts')).doctor,
  ),
  rotate: entry(
    'Give a worker new tokens, and prove that the old ones are gone',
    async () => (await import('./rotate.ts')).rotate,
  ),
  stop: entry(
    'Stop a worker once its running stage has ended; its volume stays',
    async () => (await import('./stop.ts')).stop,
  ),
  start: entry('Start a stopped worker again', async () => (await import('./start.ts')).start),
  'build-push-rollout': entry(
    'Build the worker image, push it and roll it out, worker by worker, without losing work',
    async () => (await import('./build-push-rollout.ts')).buildPushRollout,
  ),
  rollback: entry(
    'Go back to the image a worker ran before, as carefully as it came',
    async () => (await import('./rollback.ts')).rollback,
  ),
  releases: entry(
    'Show which image was released to which worker, when and how it ended',
    async () => (await import('./releases.ts')).releases,
  ),
  drain: entry(
    'Let the running stage of a worker end, and no other begin',
    async () => (await import('./drain.ts')).drain,
  ),
  resume: entry('Let a drained worker take up work again', async () => (await import('./resume.ts')).resume),
  backup: entry(
    'Copy the state of a worker into a file: its queue, pipelines and records',
    async () => (await import('./backup.ts')).backup,
  ),
  provision: entry(
    'Install a worker: namespace, Secret, release, entry in workers.yaml',
    async () => (await import('./provision.ts')).provision,
  ),
  retire: entry(
    'Take a worker away: release and entry in workers.yaml; its volume stays',
    async () => (await import('./retire.ts')).retire,
  ),
  restore: entry(
    "Put a backup in the place of a worker's state; into another worker, this is migration",
    async () => (await import('./restore.ts')).restore,
  ),
  usage: entry(
    'Show what workers take: disk, memory, Docker, worktrees, logs',
    async () => (await import('./usage.ts')).usage,
  ),
  cleanup: entry(
    'Free what finished issues have left on a worker: worktrees, logs, Docker caches',
    async () => (await import('./cleanup.ts')).cleanup,
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
