/** The summary of each command, by its group in the help. */
export const GROUPS = {
  'Workers at a glance': {
    ui: 'Show all workers on one live screen, with keys to look, attach and act',
    list: 'Show all workers: pod, status, sessions, queue',
    status: 'Show one worker in full: what is wrong and what to do, queue, sessions, boot',
    why: 'Diagnose a worker: causes, evidence, next command',
    usage: 'Show disk and memory use of workers: volume, Docker, worktrees, logs',
    watch: 'Report when an issue ends, a session waits for a person, or a worker is in trouble',
  },
  Work: {
    dispatch: 'Put issues into the queue of a worker',
    queue: 'Show and change the queue of a worker: move, remove, requeue, set-intent',
    projects: 'Show, add and remove the projects of a worker',
    unstick: 'Get a stuck issue moving again, or give it up',
    wait: 'Wait until a worker is idle or an issue has ended',
  },
  Sessions: {
    sessions: 'Show the sessions of a worker: stage, issue, state, who is attached',
    peek: 'Show the screen of a session without attaching',
    attach: 'Join a session of a worker on this terminal',
    answer: 'Answer the question that a session asks',
    send: 'Type text into a session, without attaching',
    logs: 'Show the output of a worker or one of its sessions, also of ended ones',
  },
  'Inside a worker': {
    exec: 'Run a program in a worker',
    shell: 'Open a shell in a worker',
    cp: 'Copy files and folders to and from a worker',
    'port-forward': 'Reach a port of a worker, such as one of its compose stacks, from this machine',
  },
  'Life of a worker': {
    provision: 'Install a worker: namespace, Secret, release, entry in workers.yaml',
    stop: 'Stop a worker once its running stage has ended; its volume stays',
    start: 'Start a stopped worker again',
    resize: 'Give a running worker other memory and CPU limits, without a restart',
    drain: 'Let the running stage of a worker end, and start no other',
    resume: 'Let a drained worker resume work',
    rotate: 'Give a worker new tokens, and prove that the old ones are gone',
    backup: 'Copy the state of a worker into a file: its queue, pipelines, unpushed work and recordings',
    restore: "Replace a worker's state with a backup; into another worker, this is a migration",
    cleanup: 'Remove what finished issues have left on a worker: worktrees, logs, Docker caches',
    retire: 'Uninstall a worker and remove its entry from workers.yaml; its volume stays',
  },
  Images: {
    'build-push-rollout':
      'Build the worker image, push it and roll it out, worker by worker, without losing work',
    rollback: 'Roll back to the previous image (drain, backup, verify)',
    releases: 'Show which image was released to which worker, when and how it ended',
  },
  'This machine': {
    doctor: 'Check laptop, cluster and workers before something goes wrong',
    workers: 'Add, remove and show the entries of workers.yaml',
    local: 'Start, stop and show workers on this machine',
    'shell-init': 'Print the shell code for `factory worker …` and completion (bash, zsh, fish)',
  },
} as const;

/** Other names of commands, as people type them elsewhere. */
export const ALIASES: Readonly<Record<string, CommandName>> = { ls: 'list', ps: 'sessions', ssh: 'shell' };

type Groups = typeof GROUPS;

export type CommandName = { [Group in keyof Groups]: keyof Groups[Group] }[keyof Groups];

/** The same without the groups. */
export const SUMMARIES: Readonly<Record<CommandName, string>> = Object.assign({}, ...Object.values(GROUPS));
