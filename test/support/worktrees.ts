/**
 * What may stand in the way of an issue that has no pipeline, and whether it may be taken away for it: for the supervisor
 * (loop/leftovers.ts) and for a dispatch by hand (remote/leftovers.sh), which must not differ.
 */

export interface Leftover {
  readonly is: string;
  /** Bash that makes it, run in the clone. */
  readonly make: string;
  /** What is said of it when it stays; null when it goes. */
  readonly stays: RegExp | null;
  /** What the operator runs in the worker instead of `cleanup --issue`; empty for that. */
  readonly cure?: RegExp;
  /** Where it lies, when it is no worktree of the issue. */
  readonly at?: string;
}

const ADD = 'git worktree add --quiet -b feature/issue-23 worktrees/issue-23';
const COMMIT =
  'git -C worktrees/issue-23 -c user.name=t -c user.email=t@t commit --quiet --allow-empty -m work';
const WORKTREE = 'worktrees/issue-23';
/** A worktree with a submodule that is checked out. */
const WITH_SUBMODULE = `as='-c user.name=t -c user.email=t@t -c protocol.file.allow=always'
git init --quiet -b main ../library && git $as -C ../library commit --quiet --allow-empty -m first &&
  git $as submodule --quiet add "$PWD/../library" library && git $as commit --quiet -m library &&
  ${ADD} && git $as -C worktrees/issue-23 submodule --quiet update --init`;
const FOLDER = '$HOME/.factory/pipelines/23';

export const LEFTOVERS: readonly Leftover[] = [
  {
    is: 'a worktree that git was still checking out',
    make: `${ADD} --lock --reason initializing && rm worktrees/issue-23/pipeline.yaml`,
    stays: null,
  },
  {
    is: 'a worktree that git had not written down yet',
    make: 'mkdir -p worktrees/issue-23 && echo "gitdir: nowhere" >worktrees/issue-23/.git',
    stays: null,
  },
  { is: 'a worktree as it was checked out', make: ADD, stays: null },
  {
    is: 'a worktree with files of the setup commands',
    make: `${ADD} && mkdir worktrees/issue-23/node_modules && echo x >worktrees/issue-23/node_modules/x && echo y >>worktrees/issue-23/pipeline.yaml`,
    stays: null,
  },
  { is: 'a worktree whose folder is gone', make: `${ADD} && rm -r worktrees/issue-23`, stays: null },
  { is: 'a worktree with commits, and nothing else', make: `${ADD} && ${COMMIT}`, stays: null },
  {
    is: 'a worktree with a submodule and commits, and nothing else',
    make: `${WITH_SUBMODULE} && ${COMMIT}`,
    stays: null,
  },
  {
    is: 'a worktree with a submodule, whose folder is gone',
    make: `${WITH_SUBMODULE} && rm -r worktrees/issue-23`,
    stays: null,
  },
  {
    is: 'a worktree with commits in a submodule',
    make: `${WITH_SUBMODULE} && git $as -C worktrees/issue-23/library commit --quiet --allow-empty -m work &&
      git $as -C worktrees/issue-23 commit --quiet --all -m work`,
    stays: /^the worktree \S+\/worktrees\/issue-23 has commits in a submodule that no remote has$/,
  },
  {
    is: 'a worktree with commits and more',
    make: `${ADD} && ${COMMIT} && echo more >worktrees/issue-23/work`,
    stays: /^the worktree \S+\/worktrees\/issue-23 has commits and files that are not committed$/,
  },
  {
    is: 'a worktree that somebody has locked',
    make: `${ADD} && git worktree lock --reason 'initializing is over, this is mine' worktrees/issue-23`,
    stays: /^the worktree \S+\/worktrees\/issue-23 is locked \(initializing is over, this is mine\)$/,
  },
  {
    is: 'a folder that is no worktree',
    make: 'mkdir -p worktrees/issue-23 && echo work >worktrees/issue-23/work',
    stays: /^the folder \S+\/worktrees\/issue-23 is not a worktree known to git$/,
  },
  {
    is: 'the branch in another worktree',
    make: 'git worktree add --quiet -b feature/issue-23 elsewhere',
    at: 'elsewhere',
    stays: /^the branch feature\/issue-23 is checked out in \S+\/elsewhere$/,
    cure: /^git -C \S+\/elsewhere switch --detach$/,
  },
  {
    is: 'the branch in the main checkout',
    make: 'git switch --quiet --create feature/issue-23',
    at: '.git',
    stays: /^the branch feature\/issue-23 is checked out in \S+$/,
    cure: /^git -C \S+ switch main$/,
  },
  {
    is: 'a pipeline folder without a file',
    make: `mkdir -p "${FOLDER}/stages" && touch "${FOLDER}/pipeline.json"`,
    at: FOLDER,
    stays: null,
  },
  {
    is: 'a pipeline folder of dialect b without a file',
    make: 'mkdir -p "$HOME/.factory/pipelines/acme/demo/23/stages"',
    at: '$HOME/.factory/pipelines/acme/demo/23',
    stays: null,
  },
  {
    is: 'a pipeline folder with files and no readable pipeline',
    make: `mkdir -p "${FOLDER}/stages/qa/attempt-1" && echo x >"${FOLDER}/stages/qa/attempt-1/session.log"`,
    at: FOLDER,
    stays: /^the folder \S+\/pipelines\/23 has files of an earlier run and no pipeline that can be read$/,
    cure: /^rm -r \S+\/pipelines\/23$/,
  },
];

/** Bash that ends with 0 while the leftover is there. */
export const isThere = ({ at = WORKTREE }: Leftover) => `test -e "${at}"`;
