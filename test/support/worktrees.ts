/**
 * What may stand in the way of an issue that has no pipeline, and whether it may be taken away for it: for the supervisor
 * (loop/taken.ts) and for a dispatch by hand (remote/dispatch.sh), which must not differ.
 */

export interface LeftWorktree {
  readonly is: string;
  /** Bash that makes it, run in the clone. */
  readonly make: string;
  readonly stays: boolean;
}

const ADD = 'git worktree add --quiet -b feature/issue-23 worktrees/issue-23';

export const LEFT_WORKTREES: readonly LeftWorktree[] = [
  {
    is: 'that git was still checking out',
    make: `${ADD} --lock --reason initializing && rm worktrees/issue-23/pipeline.yaml`,
    stays: false,
  },
  {
    is: 'that git had not written down yet',
    make: 'mkdir -p worktrees/issue-23 && echo "gitdir: nowhere" >worktrees/issue-23/.git',
    stays: false,
  },
  { is: 'as it was checked out', make: ADD, stays: false },
  { is: 'in which somebody has worked', make: `${ADD} && echo work >worktrees/issue-23/work`, stays: true },
  {
    is: 'that somebody has locked',
    make: `${ADD} && git worktree lock --reason 'initializing is over, this is mine' worktrees/issue-23`,
    stays: true,
  },
  {
    is: 'that is no worktree',
    make: 'mkdir -p worktrees/issue-23 && echo work >worktrees/issue-23/work',
    stays: true,
  },
];
