/**
 * The clones on the volume: every project of the list is cloned in the background, whole or not at all, and tried again
 * with back-off. Nothing waits for them, and nothing is ever deleted but the leavings of an interrupted clone.
 */
import { dirname, join } from 'node:path';
import type { PhaseStatus, Project } from '../../../scripts/lib/contract.ts';
import type { Effects, Files, Processes, RunResult } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import { messageOf } from '../util/errors.ts';
import { duration, timestamp } from '../util/time.ts';
import { cloneUrl, mergeProjects, type ProjectList, parseProjects, withoutCredentials } from './projects.ts';

/** A slow line and a big repository, but not for ever. */
const CLONE_TIMEOUT_MS = 15 * 60_000;
const FETCH_TIMEOUT_MS = 60_000;
/** Nobody is there to type a password. */
const NO_PROMPT = { GIT_TERMINAL_PROMPT: '0' };
const MOST_AT_ONCE = 3;
/** Begins with a dot, so that it is nobody's project. */
const TEMPORARY = '.cloning-';

/** A project as the loop sees it. */
export interface Clone {
  readonly name: string;
  readonly state: 'ready' | 'cloning' | 'failed';
  /** What stands in the way, and what to do about it; empty when the clone is ready. */
  readonly message: string;
  /** Where `factory` is called: the directory that holds the pipeline configuration. */
  readonly directory: string;
}

/** What is remembered about the attempts to clone a project. */
export interface Attempt {
  /** The project's repo and branch: another one begins anew. */
  readonly source: string;
  readonly running: boolean;
  readonly failures: number;
  /** When to try again, milliseconds since the epoch. */
  readonly nextAt: number;
  readonly message: string;
}

export type Attempts = ReadonlyMap<string, Attempt>;

/** 10 s, 20 s, 40 s, … at most ten minutes. */
export function backoffMs(failures: number): number {
  return Math.min(10_000 * 2 ** (failures - 1), 600_000);
}

/** Which projects to work on now. `wanting` are those without a usable clone. */
export function planClones(wanting: readonly Project[], attempts: Attempts, now: number): Project[] {
  const running = [...attempts.values()].filter((attempt) => attempt.running).length;
  return wanting
    .filter((project) => {
      const attempt = attempts.get(project.name);
      if (attempt?.running) return false;
      return attempt === undefined || attempt.source !== sourceOf(project) || attempt.nextAt <= now;
    })
    .slice(0, Math.max(0, MOST_AT_ONCE - running));
}

/** The state of all clones in one sentence, for boot.json. */
export function summarize(
  clones: readonly Clone[],
  problems: readonly string[],
): { status: PhaseStatus; message: string } {
  const states = new Set(clones.map(({ state }) => state));
  const failed = problems.length > 0 || states.has('failed');
  if (clones.length === 0 && !failed) {
    return { status: 'off', message: 'no projects yet: dispatch with --clone owner/name adds one' };
  }
  return {
    status: failed ? 'failed' : states.has('cloning') ? 'running' : 'ok',
    message: [...problems, ...clones.map(({ name, message }) => `${name}: ${message || 'ok'}`)].join('; '),
  };
}

export interface Clones {
  /** Reads the lists again and starts what is due. Returns at once. */
  refresh(): void;
  /** Every project of the lists and every clone on the volume, as they are now. */
  look(): Clone[];
  summary(): { status: PhaseStatus; message: string };
}

type Needs = Pick<Effects, 'clock' | 'files' | 'log' | 'processes'>;

/**
 * @param changed called when a clone is ready or has failed
 * @param signal ends the clones that are under way
 */
export function createClones(
  environment: Environment,
  effects: Needs,
  changed: () => void,
  signal: AbortSignal,
): Clones {
  const { clock, files, log } = effects;
  const { dirs, paths } = environment;
  const repos = dirs.WORKER_REPOS_DIR;
  const attempts = new Map<string, Attempt>();
  let list: ProjectList = { projects: [], problems: [] };

  const look = (): Clone[] => {
    const listed = new Set(list.projects.map(({ name }) => name));
    // Somebody's own clone counts as soon as it can be used, and is nobody's problem before.
    const unlisted = files
      .list(repos)
      .filter((name) => !name.startsWith('.') && !listed.has(name))
      .map((name): Project => ({ name, repo: name, branch: null, config: 'pipeline.yaml' }))
      .filter((project) => onDisk(files, repos, project) === 'ready');
    return [...list.projects, ...unlisted].map((project) => ({
      name: project.name,
      directory: dirname(join(repos, project.name, project.config)),
      ...stateOf(onDisk(files, repos, project), attempts.get(project.name), project),
    }));
  };

  const work = async (project: Project): Promise<void> => {
    const { name } = project;
    const source = sourceOf(project);
    const before = attempts.get(name);
    const failures = before?.source === source ? before.failures : 0;
    attempts.set(name, { source, running: true, failures, nextAt: 0, message: before?.message ?? '' });
    const started = clock.now();
    const error =
      onDisk(files, repos, project) === 'absent'
        ? await fetchClone(effects, project, repos, signal)
        : await fastForward(effects.processes, join(repos, name), signal);
    if (signal.aborted) return;
    // A clone that is up to date and still has no pipeline.yaml is asked again later: somebody may push one.
    if (error === null && onDisk(files, repos, project) === 'ready') {
      attempts.delete(name);
      log.line(`clone ${name} ok ${duration(clock.now() - started)}`);
    } else {
      const nextAt = clock.now() + backoffMs(failures + 1);
      const message = error ?? '';
      attempts.set(name, { source, running: false, failures: failures + 1, nextAt, message });
      log.line(`clone ${name} failed: ${error ?? noConfig(project)}`);
    }
    changed();
  };

  return {
    look,
    refresh() {
      list = mergeProjects(
        parseProjects('projects.json', files.read(paths.projects)),
        parseProjects('worker/projects.json', files.read(paths.requestedProjects)),
      );
      if (signal.aborted) return;
      const wanting = list.projects.filter((project) =>
        ['absent', 'no-config'].includes(onDisk(files, repos, project)),
      );
      for (const project of planClones(wanting, attempts, clock.now())) void work(project);
    },
    summary: () => summarize(look(), list.problems),
  };
}

/** Removes what a killed supervisor left half cloned. Only for the holder of the boot lock. */
export async function removeLeavings(files: Files, repos: string): Promise<void> {
  for (const name of files.list(repos)) {
    if (name.startsWith(TEMPORARY)) await files.remove(join(repos, name));
  }
}

/** @returns null, or why it failed */
async function fetchClone(
  { files, processes }: Needs,
  { name, repo, branch }: Project,
  repos: string,
  signal: AbortSignal,
): Promise<string | null> {
  const temporary = join(repos, `${TEMPORARY}${name}`);
  try {
    await files.remove(temporary);
    const result = await processes.run(
      ['git', 'clone', '--quiet', ...(branch ? ['--branch', branch] : []), '--', cloneUrl(repo), temporary],
      { env: NO_PROMPT, timeoutMs: CLONE_TIMEOUT_MS, signal },
    );
    if (result.code !== 0) return gitComplaint('clone', result);
    files.rename(temporary, join(repos, name));
    return null;
  } catch (error) {
    return messageOf(error);
  } finally {
    await files.remove(temporary).catch(() => {});
  }
}

/**
 * Brings a main checkout up to date with its remote, where it has one: A branches from its HEAD. Never merges, never
 * discards.
 *
 * @returns null, or why it could not be done
 */
export async function fastForward(
  processes: Processes,
  directory: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const git = (...args: string[]) =>
    processes.run(['git', '-C', directory, ...args], {
      env: NO_PROMPT,
      timeoutMs: FETCH_TIMEOUT_MS,
      ...(signal ? { signal } : {}),
    });
  const upstream = await git('rev-parse', '--abbrev-ref', '@{upstream}');
  if (upstream.code !== 0) return null;
  const fetch = await git('fetch', '--quiet');
  if (fetch.code !== 0) return gitComplaint('fetch', fetch);
  const merge = await git('merge', '--quiet', '--ff-only', '@{upstream}');
  return merge.code === 0 ? null : gitComplaint('merge --ff-only', merge);
}

/** What git says, on one line, without credentials and without the hints that are of no use here. */
function gitComplaint(verb: string, { code, stderr, timedOut }: RunResult): string {
  if (timedOut) return `git ${verb} took too long and was stopped`;
  const lines = stderr.split('\n').map((line) => line.trim());
  const said = lines.filter((line) => /^(fatal|error|remote):/.test(line));
  const text = withoutCredentials((said.length > 0 ? said : lines.filter(Boolean)).join(' ')).slice(0, 500);
  return text || `git ${verb} ended with exit code ${code}`;
}

/** What is there of a clone on the volume. */
type OnDisk = 'ready' | 'absent' | 'no-clone' | 'no-config';

function onDisk(files: Files, repos: string, { name, config }: Project): OnDisk {
  const directory = join(repos, name);
  if (files.list(directory).length === 0) return 'absent';
  if (!files.exists(join(directory, '.git'))) return 'no-clone';
  return files.exists(join(directory, config)) ? 'ready' : 'no-config';
}

function stateOf(
  found: OnDisk,
  attempt: Attempt | undefined,
  project: Project,
): Pick<Clone, 'state' | 'message'> {
  const again = attempt && !attempt.running ? ` (tried again at ${timestamp(attempt.nextAt)})` : '';
  switch (found) {
    case 'ready':
      return { state: 'ready', message: '' };
    case 'no-clone':
      return { state: 'failed', message: `repos/${project.name} is no git clone: move it away` };
    case 'no-config':
      return { state: 'failed', message: `${noConfig(project)}${again}` };
    case 'absent':
      return attempt && !attempt.running
        ? { state: 'failed', message: `${attempt.message}${again}` }
        : { state: 'cloning', message: 'being cloned' };
  }
}

function noConfig({ config }: Project): string {
  return `no ${config} in the clone: push one, or name its path as the project's "config"`;
}

function sourceOf({ repo, branch }: Project): string {
  return `${repo} ${branch ?? ''}`;
}
