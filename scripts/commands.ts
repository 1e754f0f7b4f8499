/** Every command by name. The umbrella command and completion read these tables; a command's code is loaded only when used. */
import type { Command } from './lib/cli/command.ts';
import type { Flags } from './lib/cli/flags.ts';

export interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command<Flags>>;
}

const entry = <F extends Flags>(summary: string, load: () => Promise<Command<F>>): CommandEntry => ({
  summary,
  load: load as unknown as CommandEntry['load'],
});

/** What is offered to people, as the help groups it. */
export const GROUPS: Readonly<Record<string, Readonly<Record<string, CommandEntry>>>> = {
  'Workers at a glance': {
    list: entry(
      'Show all workers: pod, status, sessions, queue',
      async () => (await import('./list.ts')).list,
    ),
    status: entry(
      'Show one worker in full: what is wrong and what to do, queue, sessions, boot',
      async () => (await import('./status.ts')).status,
    ),
    why: entry(
      'Say what is wrong with a worker, by what it was seen, and what to type',
      async () => (await import('./why.ts')).why,
    ),
    usage: entry(
      'Show what workers take: disk, memory, Docker, worktrees, logs',
      async () => (await import('./usage.ts')).usage,
    ),
    watch: entry(
      'Say when an issue ends, a session waits for a person, or a worker is in trouble',
      async () => (await import('./watch.ts')).watchWorkers,
    ),
  },
  Work: {
    dispatch: entry(
      'Put issues into the queue of a worker',
      async () => (await import('./dispatch.ts')).dispatch,
    ),
    queue: entry(
      'Show and change the queue of a worker: remove, requeue, set-intent',
      async () => (await import('./queue.ts')).queue,
    ),
    unstick: entry(
      'Set a stuck issue going again, or give it up',
      async () => (await import('./unstick.ts')).unstick,
    ),
    wait: entry(
      'Wait until a worker is idle or an issue has ended',
      async () => (await import('./wait.ts')).wait,
    ),
  },
  Sessions: {
    sessions: entry(
      'Show the sessions of a worker: stage, issue, state, who is attached',
      async () => (await import('./sessions.ts')).sessions,
    ),
    peek: entry('Show what a session shows, without attaching', async () => (await import('./peek.ts')).peek),
    attach: entry(
      'Join a session of a worker on this terminal',
      async () => (await import('./attach.ts')).attach,
    ),
    answer: entry(
      'Answer the question that a session asks',
      async () => (await import('./answer.ts')).answer,
    ),
    send: entry(
      'Type a text into a session, without attaching',
      async () => (await import('./send.ts')).send,
    ),
    logs: entry(
      'Show what a worker or one of its sessions has printed, also after it is gone',
      async () => (await import('./logs.ts')).logs,
    ),
  },
  'Inside a worker': {
    exec: entry('Run a program in a worker', async () => (await import('./exec.ts')).exec),
    shell: entry('Open a shell in a worker', async () => (await import('./shell.ts')).shell),
    cp: entry(
      'Copy files and folders into a worker, and out of it',
      async () => (await import('./cp.ts')).cp,
    ),
    'port-forward': entry(
      'Reach a port of a worker, such as one of its compose stacks, from this machine',
      async () => (await import('./port-forward.ts')).portForward,
    ),
  },
  'Life of a worker': {
    provision: entry(
      'Install a worker: namespace, Secret, release, entry in workers.yaml',
      async () => (await import('./provision.ts')).provision,
    ),
    stop: entry(
      'Stop a worker once its running stage has ended; its volume stays',
      async () => (await import('./stop.ts')).stop,
    ),
    start: entry('Start a stopped worker again', async () => (await import('./start.ts')).start),
    drain: entry(
      'Let the running stage of a worker end, and no other begin',
      async () => (await import('./drain.ts')).drain,
    ),
    resume: entry(
      'Let a drained worker take up work again',
      async () => (await import('./resume.ts')).resume,
    ),
    rotate: entry(
      'Give a worker new tokens, and prove that the old ones are gone',
      async () => (await import('./rotate.ts')).rotate,
    ),
    backup: entry(
      'Copy the state of a worker into a file: its queue, pipelines and records',
      async () => (await import('./backup.ts')).backup,
    ),
    restore: entry(
      "Put a backup in the place of a worker's state; into another worker, this is migration",
      async () => (await import('./restore.ts')).restore,
    ),
    cleanup: entry(
      'Free what finished issues have left on a worker: worktrees, logs, Docker caches',
      async () => (await import('./cleanup.ts')).cleanup,
    ),
    retire: entry(
      'Take a worker away: release and entry in workers.yaml; its volume stays',
      async () => (await import('./retire.ts')).retire,
    ),
  },
  Images: {
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
  },
  'This machine': {
    doctor: entry(
      'Check laptop, cluster and workers before something goes wrong',
      async () => (await import('./doctor.ts')).doctor,
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
  },
};

/** Those, and the one that only the shells type. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  ...offered(),
  complete: entry(
    'Print what may stand at the cursor; the shells ask at each Tab',
    async () => (await import('./complete.ts')).complete,
  ),
};

/** The commands of all groups, by name. */
export function offered(): Readonly<Record<string, CommandEntry>> {
  return Object.assign({}, ...Object.values(GROUPS));
}
