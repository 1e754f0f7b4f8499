/** What each command is for: the one place that says so, and in which group the help has it. */
export const GROUPS = {
  'Workers at a glance': {
    list: 'Show all workers: pod, status, sessions, queue',
    status: 'Show one worker in full: what is wrong and what to do, queue, sessions, boot',
    why: 'Say what is wrong with a worker, by what it was seen, and what to type',
    usage: 'Show what workers take: disk, memory, Docker, worktrees, logs',
    watch: 'Say when an issue ends, a session waits for a person, or a worker is in trouble',
  },
  Work: {
    dispatch: 'Put issues into the queue of a worker',
    queue: 'Show and change the queue of a worker: remove, requeue, set-intent',
    unstick: 'Set a stuck issue going again, or give it up',
    wait: 'Wait until a worker is idle or an issue has ended',
  },
  Sessions: {
    sessions: 'Show the sessions of a worker: stage, issue, state, who is attached',
    peek: 'Show what a session shows, without attaching',
    attach: 'Join a session of a worker on this terminal',
    answer: 'Answer the question that a session asks',
    send: 'Type a text into a session, without attaching',
    logs: 'Show what a worker or one of its sessions has printed, also after it is gone',
  },
  'Inside a worker': {
    exec: 'Run a program in a worker',
    shell: 'Open a shell in a worker',
    cp: 'Copy files and folders into a worker, and out of it',
    'port-forward': 'Reach a port of a worker, such as one of its compose stacks, from this machine',
  },
  'Life of a worker': {
    provision: 'Install a worker: namespace, Secret, release, entry in workers.yaml',
    stop: 'Stop a worker once its running stage has ended; its volume stays',
    start: 'Start a stopped worker again',
    drain: 'Let the running stage of a worker end, and no other begin',
    resume: 'Let a drained worker take up work again',
    rotate: 'Give a worker new tokens, and prove that the old ones are gone',
    backup: 'Copy the state of a worker into a file: its queue, pipelines, unpushed work and recordings',
    restore: "Put a backup in the place of a worker's state; into another worker, this is migration",
    cleanup: 'Free what finished issues have left on a worker: worktrees, logs, Docker caches',
    retire: 'Take a worker away: release and entry in workers.yaml; its volume stays',
  },
  Images: {
    'build-push-rollout':
      'Build the worker image, push it and roll it out, worker by worker, without losing work',
    rollback: 'Go back to the image a worker ran before, as carefully as it came',
    releases: 'Show which image was released to which worker, when and how it ended',
  },
  'This machine': {
    doctor: 'Check laptop, cluster and workers before something goes wrong',
    workers: 'Add, remove and show the workers the commands know',
    local: 'Start, stop and show workers on this machine',
    'shell-init': 'Print what makes bash, zsh or fish know factory worker …, with completion',
  },
} as const;

type Groups = typeof GROUPS;

export type CommandName = { [Group in keyof Groups]: keyof Groups[Group] }[keyof Groups];

/** The same without the groups. */
export const SUMMARIES: Readonly<Record<CommandName, string>> = Object.assign({}, ...Object.values(GROUPS));
