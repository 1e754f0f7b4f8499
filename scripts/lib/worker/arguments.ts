/** Parses issues and projects from the command line. Pure. */
import { UsageError } from '../cli/errors.ts';
import { projectName } from '../factory.ts';
import { hasHost, isSameRepo } from './clones.ts';
import type { Snapshot } from './snapshot.ts';

/** Issues as the operator names them. */
export interface NamedIssues {
  readonly issues: readonly number[];
  /** The repository that they name: `demo`, `acme/demo` or a URL; null when they are numbers only. */
  readonly repo: string | null;
}

const NUMBER = '[1-9]\\d{0,8}';
/** `23`, `#23`, `demo#23`, `acme/demo#23`, each also as a range: `25-27`. `?` is what we print for an unknown project. */
const ISSUE = new RegExp(`^(?:(\\?|[\\w.-]+(?:/[\\w.-]+)?)?#)?(${NUMBER})(?:-(${NUMBER}))?$`);
/** The address of an issue, as a browser shows it, also with a comment's anchor. */
const ADDRESS = new RegExp(`^(https?://[\\w.:-]+/[\\w.-]+/[\\w.-]+)/issues/(${NUMBER})()/?(?:[?#]\\S*)?$`);

/** A longer range is rather a typing mistake. */
const LONGEST_RANGE = 100;

/**
 * Parses issues in every form that we and GitHub print: `23`, `#23`, `demo#23`, `acme/demo#23`, `25-27` and an issue's URL.
 * `0123` may be a typing mistake.
 *
 * @throws UsageError naming what is not an issue, or when the words name several projects
 */
export function parseIssues(words: readonly string[], flag: string): NamedIssues {
  const issues = new Set<number>();
  let repo: string | null = null;
  for (const word of words) {
    const [, where = '?', first = '', last = ''] = ISSUE.exec(word) ?? ADDRESS.exec(word) ?? [];
    if (first === '') {
      throw new UsageError(`${flag} takes an issue such as 23, 25-27, demo#23 or its URL; not "${word}"`);
    }
    const from = Number(first);
    const to = last === '' ? from : Number(last);
    if (to < from || to - from >= LONGEST_RANGE) {
      throw new UsageError(`${flag} takes a range of at most ${LONGEST_RANGE} issues; not "${word}"`);
    }
    for (let issue = from; issue <= to; issue++) issues.add(issue);
    repo = where === '?' ? repo : sameRepo(repo, where);
  }
  return { issues: [...issues], repo };
}

/**
 * Parses one issue; see {@link parseIssues}.
 *
 * @throws UsageError also for a range
 */
export function parseIssue(
  word: string,
  flag: string,
): { readonly issue: number; readonly repo: string | null } {
  const { issues, repo } = parseIssues([word], flag);
  const [issue = 0, ...more] = issues;
  if (more.length > 0) throw new UsageError(`${flag} takes one issue; not "${word}"`);
  return { issue, repo };
}

/**
 * The more exact one of two names of a repository; either may be missing.
 *
 * @throws UsageError when they are different repositories
 */
export function sameRepo(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  const exact = one.includes('/') && other.includes('/');
  if (exact ? !isSameRepo(one, other) : projectName(one) !== projectName(other)) {
    throw new UsageError(`one command is about one project; not about ${one} and ${other}`);
  }
  return one.includes('/') ? one : other;
}

/**
 * Checks the repository that issues were named with against what the worker has.
 *
 * @param worker its name
 * @throws UsageError when the worker has these numbers in another project, or does not have this one
 */
export function checkRepo(
  { issues, repo }: NamedIssues,
  { queue, clones }: Pick<Snapshot, 'queue' | 'clones'>,
  worker: string,
): void {
  if (repo === null) return;
  const project = projectName(repo);
  const other = queue.find(
    ({ issue, owner }) => issues.includes(issue) && owner !== null && owner !== project,
  );
  if (other !== undefined) {
    throw new UsageError(
      `#${other.issue} of ${worker} is ${other.owner}#${other.issue}, not ${project}#${other.issue}`,
    );
  }
  const clone = clones.find((candidate) => candidate.project === project);
  if (clone === undefined && clones.length > 0) {
    const names = clones.map((candidate) => candidate.project);
    throw new UsageError(`${worker} has no project ${project}`, `its projects: ${names.join(', ')}`);
  }
  if (clone !== undefined && repo.includes('/') && hasHost(clone.url) && !isSameRepo(clone.url, repo)) {
    throw new UsageError(`${project} of ${worker} is ${clone.url}, not ${repo}`);
  }
}

/** The name of the project's clone: `deathcookies` for both `deathcookies` and `owner/deathcookies`. */
export function parseProject(word: string): string {
  const name = projectName(word);
  if (!/^[\w.-]+$/.test(name) || name.startsWith('.') || name.startsWith('-')) {
    throw new UsageError(`--project takes NAME or owner/NAME; not "${word}"`);
  }
  return name;
}
