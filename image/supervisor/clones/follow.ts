/**
 * Keeps a main checkout up to date with its remote: `factory` starts the branch of each issue there. What git can do without
 * losing anything is done, and the rest is reported. A commit that the remote does not have is kept under
 * `refs/factory-worker/set-aside/`; uncommitted changes stay where they are.
 */
import { join } from 'node:path';
import type { CloneCause, CloneFault, Project } from '../../../scripts/lib/contract.ts';
import type { Effects } from '../effects/effects.ts';
import { createGit, type Git, gitComplaint } from './git.ts';
import { removeStaleLocks } from './stale-locks.ts';
import { updateSubmodules } from './submodules.ts';

type Needs = Pick<Effects, 'clock' | 'files' | 'log' | 'processes'>;

export interface MainCheckout {
  readonly project: Pick<Project, 'name' | 'branch'>;
  readonly directory: string;
  /** Whether it is in the lists of projects. In the operator's own clone, the branch is their choice. */
  readonly listed: boolean;
}

/** Where `factory` starts a branch: A at the HEAD of the main checkout, B at `origin/main`, whatever is checked out. */
export type Base = 'HEAD' | 'origin/main';

/** A fault; the caller adds the project and since when. */
export type Trouble = Omit<CloneFault, 'project' | 'since'> & { readonly cause: CloneCause };

const SET_ASIDE = 'refs/factory-worker/set-aside';

/** An operator has to solve this. */
class Stop extends Error {
  readonly trouble: Trouble;
  constructor(cause: CloneCause, text: string, { said = '', subject = '' } = {}) {
    super(text);
    this.trouble = { cause, text, said, subject, holds: true };
  }
}

/**
 * Fetches from the remote and updates the main checkout to it. Not during a check-in, which works in the same clone.
 *
 * @returns what is wrong or worth knowing. While one of them holds, the base may differ from the remote. Also empty when
 *   there is no remote
 */
export async function follow(
  needs: Needs,
  checkout: MainCheckout,
  base: Base,
  signal?: AbortSignal,
): Promise<Trouble[]> {
  const { directory, project } = checkout;
  // They would make factory's own git calls fail, too, even where ours succeed.
  const removed = await removeStaleLocks(needs, directory);
  if (removed.length > 0)
    needs.log.line(`${project.name}: removed locks of a killed git process: ${removed.join(', ')}`);
  const git = createGit(needs.processes, directory, signal);
  try {
    return await bringUpToDate({ ...needs, ...checkout, git }, base, signal);
  } catch (error) {
    if (error instanceof Stop) return [error.trouble];
    throw error;
  }
}

type Work = Needs & MainCheckout & { readonly git: Git };

async function bringUpToDate(work: Work, base: Base, signal: AbortSignal | undefined): Promise<Trouble[]> {
  const head = await headOf(work);
  const remote = await remoteOf(work, head);
  if (remote === null) return [];
  const before = await knownDefault(work, remote);
  await ask(work, remote, 'fetch', '--quiet', '--prune', remote);
  const branch = await branchToFollow(work, { remote, head, before });
  const target = `refs/remotes/${remote}/${branch}`;
  if (!(await exists(work, target))) {
    throw new Stop('upstream-gone', `${remote} has no branch ${branch}`, { subject: branch });
  }
  const isThere = head.branch === branch || (!work.listed && head.upstream?.branch === branch);
  if (!isThere) await switchTo(work, { remote, head, branch });
  await moveTo(work, { remote, branch, target });
  const notices = [...(await baseNotices(work, base, branch)), ...(await setAsideNotices(work, remote))];
  const missing = await updateSubmodules(work, work.directory, signal);
  return missing === null
    ? notices
    : [...notices, notice('submodules', 'some submodules are missing', '', missing)];
}

interface Head {
  /** Null: detached. */
  readonly branch: string | null;
  readonly upstream: { readonly remote: string; readonly branch: string } | null;
}

async function headOf({ git }: Work): Promise<Head> {
  const branch = (await git('symbolic-ref', '--quiet', '--short', 'HEAD')).stdout.trim();
  if (branch === '') return { branch: null, upstream: null };
  const config = async (key: string) =>
    (await git('config', '--get', `branch.${branch}.${key}`)).stdout.trim();
  const remote = await config('remote');
  const merge = (await config('merge')).replace('refs/heads/', '');
  // A dot is the repository itself.
  const follows = remote !== '' && remote !== '.' && merge !== '';
  return { branch, upstream: follows ? { remote, branch: merge } : null };
}

async function remoteOf({ git }: Work, { upstream }: Head): Promise<string | null> {
  const remotes = (await git('remote')).stdout.split('\n').filter(Boolean);
  if (upstream !== null && remotes.includes(upstream.remote)) return upstream.remote;
  return remotes.includes('origin') ? 'origin' : (remotes[0] ?? null);
}

/** The remote's default branch when it was last fetched. */
async function knownDefault({ git }: Work, remote: string): Promise<string | null> {
  const prefix = `refs/remotes/${remote}/`;
  const ref = await git('symbolic-ref', '--quiet', `${prefix}HEAD`);
  return ref.stdout.trim().replace(prefix, '') || null;
}

/** A git call that contacts the remote. */
async function ask(work: Work, remote: string, ...args: string[]): Promise<string> {
  return must(work, 'fetch-failed', `its remote ${remote} cannot be read`, ...args);
}

async function branchToFollow(
  work: Work,
  { remote, head, before }: { remote: string; head: Head; before: string | null },
): Promise<string> {
  const { project, listed, git } = work;
  if (project.branch !== null) return project.branch;
  const chosen = head.upstream?.branch ?? null;
  // A renamed default branch is followed even where the operator chose the branch.
  const isKept = chosen !== before || (await exists(work, `refs/remotes/${remote}/${chosen}`));
  if (!listed && chosen !== null && isKept) return chosen;
  const answer = await ask(work, remote, 'ls-remote', '--symref', remote, 'HEAD');
  const now = /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(answer)?.[1];
  if (now === undefined) {
    if (chosen !== null) return chosen;
    throw new Stop('upstream-gone', `${remote} does not say which branch is its default`);
  }
  if (now !== before) await git('remote', 'set-head', remote, now);
  return now;
}

async function switchTo(
  work: Work,
  { remote, head, branch }: { remote: string; head: Head; branch: string },
): Promise<void> {
  const { git, listed, log, project } = work;
  const place = head.branch === null ? 'on no branch' : `on the branch ${head.branch}`;
  const { upstream } = head;
  // The remote renamed the branch of an operator's own clone: that was not their choice.
  const renamed = upstream !== null && !(await exists(work, `refs/remotes/${remote}/${upstream.branch}`));
  if (!listed && !renamed) {
    throw new Stop('head-moved', `its main checkout is ${place}, which follows no branch of ${remote}`, {
      subject: branch,
    });
  }
  // Commits stay reachable through their branch, but not on a detached HEAD or a branch that is no longer followed.
  const elsewhere = head.branch === null ? ['--remotes', '--branches', '--tags'] : ['--remotes'];
  if ((head.branch === null || renamed) && (await count(work, 'HEAD', '--not', ...elsewhere)) > 0)
    await setAside(work, head.branch ?? 'HEAD');
  const local = await exists(work, `refs/heads/${branch}`);
  await must(
    work,
    'head-moved',
    `its main checkout is ${place} and cannot be switched to ${branch}`,
    ...['switch', '--quiet'],
    ...(local ? [branch] : ['--create', branch, '--track', `${remote}/${branch}`]),
  );
  if (local) await git('branch', '--quiet', '--set-upstream-to', `${remote}/${branch}`);
  log.line(`${project.name}: switched its main checkout, which was ${place}, to ${branch}`);
}

async function moveTo(
  work: Work,
  { remote, branch, target }: { remote: string; branch: string; target: string },
): Promise<void> {
  const ahead = await count(work, 'HEAD', '--not', target);
  const behind = await count(work, target, '--not', 'HEAD');
  if (ahead === 0 && behind === 0) return;
  const move = ahead === 0 ? ['merge', '--quiet', '--ff-only'] : ['reset', '--quiet', '--keep'];
  if (ahead > 0 && (await count(work, 'HEAD', '--not', '--remotes')) > 0) await setAside(work, branch);
  const stands = [
    ...(ahead > 0 ? [`${commits(ahead)} ahead of`] : []),
    ...(behind > 0 ? [`${commits(behind)} behind`] : []),
  ].join(' and ');
  const text = `its main checkout is ${stands} ${remote}/${branch}, and cannot be brought there`;
  await must(work, 'changed', text, ...move, target);
  if (ahead > 0) work.log.line(`${work.project.name}: its main checkout was ${stands} ${remote}/${branch}`);
}

/** Keeps the commits of HEAD under a ref, once. */
async function setAside(work: Work, branch: string): Promise<void> {
  const { clock, git, log, project } = work;
  const kept = await git('for-each-ref', '--points-at', 'HEAD', SET_ASIDE);
  if (kept.stdout !== '') return;
  const time = new Date(clock.now()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const ref = `${SET_ASIDE}/${branch}/${time}`;
  await must(work, 'changed', 'its commits cannot be set aside', 'update-ref', ref, 'HEAD');
  log.line(`${project.name}: kept commits of its main checkout in ${ref}`);
}

/** Reported until the operator drops them or the remote has them. */
async function setAsideNotices(work: Work, remote: string): Promise<Trouble[]> {
  const { git } = work;
  const refs = (await git('for-each-ref', '--format=%(refname)', SET_ASIDE)).stdout
    .split('\n')
    .filter(Boolean);
  const notices: Trouble[] = [];
  for (const ref of refs) {
    const left = await count(work, ref, '--not', '--remotes');
    if (left === 0) await git('update-ref', '-d', ref);
    else {
      const text = `${commits(left)} of its main checkout that ${remote} does not have: set aside, in no issue's branch`;
      notices.push(notice('set-aside', text, ref));
    }
  }
  return notices;
}

async function baseNotices(work: Work, base: Base, branch: string): Promise<Trouble[]> {
  if (base === 'HEAD' || branch === 'main') return [];
  const text = `this build of factory starts each issue at origin/main, not at ${branch}`;
  if (await exists(work, 'refs/remotes/origin/main')) return [notice('not-main', text, branch)];
  throw new Stop('no-main', `${text}; there is no origin/main`, { subject: branch });
}

const notice = (cause: CloneCause, text: string, subject: string, said = ''): Trouble => ({
  cause,
  text,
  said,
  subject,
  holds: false,
});

async function exists({ git }: Work, ref: string): Promise<boolean> {
  return (await git('rev-parse', '--quiet', '--verify', `${ref}^{commit}`)).code === 0;
}

async function count(work: Work, ...range: string[]): Promise<number> {
  return Number(
    await must(work, 'changed', 'git cannot compare it with its remote', 'rev-list', '--count', ...range),
  );
}

function commits(n: number): string {
  return n === 1 ? '1 commit' : `${n} commits`;
}

/** @throws Stop when git fails */
async function must(work: Work, cause: CloneCause, text: string, ...args: string[]): Promise<string> {
  const result = await work.git(...args);
  if (result.code === 0) return result.stdout;
  const said = gitComplaint(args[0] ?? '', result);
  const lock = /'([^']+\.lock)': File exists/.exec(said)?.[1];
  if (lock !== undefined)
    throw new Stop('locked', 'another git process has locked its clone', { said, subject: lock });
  const operation = cause === 'fetch-failed' ? undefined : unfinished(work);
  if (operation !== undefined) throw new Stop('unfinished', text, { said, subject: operation });
  throw new Stop(cause, text, { said });
}

/** Unfinished operations in a main checkout, by the file in which git records each. */
const OPERATIONS: Readonly<Record<string, string>> = {
  'rebase-merge': 'rebase',
  'rebase-apply': 'rebase',
  MERGE_HEAD: 'merge',
  CHERRY_PICK_HEAD: 'cherry-pick',
  REVERT_HEAD: 'revert',
};

function unfinished({ directory, files }: Work): string | undefined {
  const found = Object.keys(OPERATIONS).find((name) => files.exists(join(directory, '.git', name)));
  return found === undefined ? undefined : OPERATIONS[found];
}
