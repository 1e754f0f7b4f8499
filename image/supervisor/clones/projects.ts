/** The projects of a worker: the chart's list and the ones that were dispatched from the laptop. Pure functions. */
import { isRecord, type Project } from '../../../scripts/lib/contract.ts';
import { projectName } from '../../../scripts/lib/factory.ts';

export interface ProjectList {
  readonly projects: readonly Project[];
  /** Why entries were left out, one sentence each. */
  readonly problems: readonly string[];
}

/** A project's name is a directory below repos/, so it must not lead out of that or be hidden. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * @param file its name in messages
 * @param text its content; null when there is no such file
 */
export function parseProjects(file: string, text: string | null): ProjectList {
  if (text === null) return { projects: [], problems: [] };
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch {
    entries = null;
  }
  if (!Array.isArray(entries)) {
    return { projects: [], problems: [`${file} is not a JSON list of projects`] };
  }
  const projects: Project[] = [];
  const problems: string[] = [];
  for (const [index, entry] of entries.entries()) {
    const project = isRecord(entry) ? parseProject(entry) : 'expected an object';
    if (typeof project === 'string') problems.push(`${file} [${index}]: ${project}`);
    else if (projects.some(({ name }) => name === project.name)) {
      problems.push(`${file} [${index}]: a second project called ${project.name}`);
    } else projects.push(project);
  }
  return { projects, problems };
}

function parseProject(entry: Record<string, unknown>): Project | string {
  const { repo, branch } = entry;
  if (typeof repo !== 'string' || repo === '') return 'repo is missing: owner/name or a URL';
  const name = entry['name'] ?? projectName(repo);
  if (typeof name !== 'string' || !NAME.test(name)) {
    return `name ${JSON.stringify(name)} is not a valid directory name: letters, digits, dot, dash and underscore`;
  }
  const config = entry['config'] ?? 'pipeline.yaml';
  if (
    typeof config !== 'string' ||
    config === '' ||
    config.startsWith('/') ||
    config.split('/').includes('..')
  ) {
    return `config ${JSON.stringify(config)} is not a path inside the repository`;
  }
  return { name, repo, branch: typeof branch === 'string' && branch !== '' ? branch : null, config };
}

/** Both lists as one; the chart's entry wins where both name a project. */
export function mergeProjects(chart: ProjectList, requested: ProjectList): ProjectList {
  const names = new Set(chart.projects.map(({ name }) => name));
  return {
    projects: [...chart.projects, ...requested.projects.filter(({ name }) => !names.has(name))],
    problems: [...chart.problems, ...requested.problems],
  };
}

/** What `git clone` gets for a project's `repo`: `owner/name` is short for the repository on GitHub. */
export function cloneUrl(repo: string): string {
  return /^[A-Za-z0-9][\w.-]*\/[\w.-]+$/.test(repo)
    ? `https://github.com/${repo.replace(/\.git$/, '')}.git`
    : repo;
}

/** A message of git, without the user and password that a URL in it may contain. */
export function withoutCredentials(text: string): string {
  return text.replaceAll(/(?<=[a-z0-9+.-]:\/\/)[^/\s]+@/gi, '');
}
