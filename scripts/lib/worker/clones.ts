/** The clones of a worker: which differ from their remotes, what to do about it, and whose repository one is of. Pure. */
import { type CloneCause, type CloneFault, describeCloneHold } from '../contract.ts';
import type { Snapshot } from './snapshot.ts';
import type { CommandLine, Problem } from './status.ts';

/** A remote that is unreachable for a moment is not worth reporting: only an issue waits for it. */
const BRIEF_SECONDS = 5 * 60;

/** A worker has a handful of projects; one that lies could fill the screen with ten thousand. */
const MOST_FAULTS = 100;

export function cloneFaults({ heartbeat }: Pick<Snapshot, 'heartbeat'>): readonly CloneFault[] {
  return (heartbeat?.clones ?? []).slice(0, MOST_FAULTS);
}

/** The fault that keeps the loop from taking a row; undefined when there is none, or another reason keeps it. */
export function cloneHold({ heartbeat }: Pick<Snapshot, 'heartbeat'>): CloneFault | undefined {
  return heartbeat?.clones?.find((fault) => fault.holds && describeCloneHold(fault) === heartbeat.reason);
}

export function isBrief({ cause, since }: CloneFault, now: number): boolean {
  return cause === 'fetch-failed' && now - Date.parse(since) / 1000 < BRIEF_SECONDS;
}

/** @param worker its name */
export function describeClone(fault: CloneFault, worker: string, command: CommandLine): Problem {
  const { project, cause, text, holds } = fault;
  return {
    id: `clone-${Object.hasOwn(CURES, cause) ? cause : 'fault'}`,
    cause: holds ? describeCloneHold(fault) : `${project}: ${text}`,
    next: Object.hasOwn(CURES, cause)
      ? CURES[cause as CloneCause](
          fault,
          (...words) => command('exec', worker, '--project', project, '--', 'git', ...words),
          (name, ...words) => command(name, worker, ...words),
        )
      : [],
  };
}

type Cure = (
  fault: CloneFault,
  git: (...words: string[]) => string,
  of: (name: string, ...words: string[]) => string,
) => readonly string[];

const OPERATIONS = ['merge', 'rebase', 'cherry-pick', 'revert'];

const setAside: Cure = (_fault, git) => [
  `look: ${git('status')}`,
  `stash the uncommitted changes: ${git('stash', 'push', '--include-untracked')}`,
];

const CURES: Readonly<Record<CloneCause, Cure>> = {
  'fetch-failed': (_fault, git, of) => [
    `git fetches again before each issue; to fetch now: ${git('fetch', '--prune')}`,
    `if it refuses the token: ${of('rotate')}`,
  ],
  'upstream-gone': ({ subject }, git) => [
    `existing branches: ${git('ls-remote', '--heads')}`,
    subject === ''
      ? 'set one of them as the branch of the project'
      : `push ${subject} again, or set another one as the branch of the project`,
  ],
  'head-moved': (fault, git, of) =>
    fault.subject === ''
      ? setAside(fault, git, of)
      : [
          `switch to what the remote has: ${git('switch', fault.subject)}`,
          `or let its branch track it: ${git('branch', `--set-upstream-to=origin/${fault.subject}`)}`,
        ],
  unfinished: ({ subject }, git) => [
    `look: ${git('status')}`,
    ...(OPERATIONS.includes(subject) ? [`abort it: ${git(subject, '--abort')}`] : []),
  ],
  changed: setAside,
  locked: (_fault, _git, of) => [
    `the lock is removed automatically when that git has ended; to see it: ${of('exec', '--', 'ps', '-C', 'git', '-o', 'pid,etime,args')}`,
  ],
  'no-main': ({ subject }, git) => [
    `create it: ${git('push', 'origin', `refs/remotes/origin/${subject}:refs/heads/main`)}`,
  ],
  'not-main': ({ subject }) => [
    `commits that are only on ${subject} are missing from every issue's branch: keep main up to date with it`,
  ],
  'set-aside': ({ subject }, git) => [
    `look: ${git('log', '--patch', subject, '--not', '--remotes')}`,
    `keep them as a branch of the remote: ${git('push', 'origin', `${subject}:refs/heads/set-aside-${subject.split('/').at(-1)}`)}`,
    `drop them: ${git('update-ref', '-d', subject)}`,
  ],
  submodules: (_fault, git) => [
    `see what git says: ${git('submodule', 'update', '--init', '--recursive')}`,
    'a git hook updates those of worktrees; where that does not work, add to setup: of its pipeline.yaml: git submodule update --init --recursive',
  ],
};

/** Whether the origin of a clone is the given repository; each may be `owner/name` on GitHub or any form of URL. */
export function isSameRepo(origin: string, repo: string): boolean {
  return repoPlace(origin) === repoPlace(repo);
}

/** Whether the origin is on a host, so that its owner is known; a path on a disk says nothing about that. */
export function hasHost(origin: string): boolean {
  return origin !== '' && !/^(?:file:|[/.~])/.test(origin);
}

/** `host/path` of a repository, without protocol, user and port; the bare path of one on a disk. */
function repoPlace(repo: string): string {
  const path = repo.replace(/(?:\.git)?(?<!\/)\/*$/, '').toLowerCase();
  if (/^[\w.-]+\/[\w.-]+$/.test(path)) return `github.com/${path}`;
  return path
    .replace(/^\w+:\/\//, '')
    .replace(/^[^/@]*@/, '')
    .replace(/^([^/:]+):(?:\d+\/|\/)?/, '$1/');
}
