/**
 * The clones on the volume: every project of the list is cloned in the background, atomically, and retried with back-off.
 * Nothing waits for them, and nothing is ever deleted except the partial result of an interrupted clone.
 */
import { dirname, join } from 'node:path';
import type { CloneFault, PhaseStatus, Project } from '../../../scripts/lib/contract.ts';
import type { Effects, Files } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import { messageOf } from '../util/errors.ts';
import { duration, timestamp } from '../util/time.ts';
import { type Base, follow, type Trouble } from './follow.ts';
import { gitComplaint, NO_PROMPT } from './git.ts';
import { cloneUrl, mergeProjects, type ProjectList, parseProjects } from './projects.ts';
import { updateSubmodules } from './submodules.ts';

/** Enough for a big repository over a slow connection. */
const CLONE_TIMEOUT_MS = 15 * 60_000;
const MOST_AT_ONCE = 3;
/** How often the remotes are fetched while there is nothing to do: sooner where a fault prevents work. */
const LOOK_MS = 10 * 60_000;
const LOOK_AGAIN_MS = 60_000;
/** Begins with a dot, so that it is never taken for a project. */
const TEMPORARY = '.cloning-';

/** A project as the loop sees it. */
export interface Clone {
  readonly name: string;
  readonly state: 'ready' | 'cloning' | 'failed';
  /** The problem, and what to do about it; empty when the clone is ready. */
  readonly message: string;
  /** Where `factory` is called: the directory that holds the pipeline configuration. */
  readonly directory: string;
}

/** What is remembered about the attempts to clone a project. */
export interface Attempt {
  /** The project's repo and branch: when they change, the attempts start over. */
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

/** Which projects to clone or update now. `wanting` are those without a usable clone. */
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
  /** Reads the lists again and starts the clones that are due. Returns at once. */
  refresh(): void;
  /** Every project of the lists and every clone on the volume, as they are now. */
  look(): Clone[];
  summary(): { status: PhaseStatus; message: string };
  /**
   * Updates a project's main checkout to its remote, before a row of it is taken. Not during a check-in.
   *
   * @returns why no row may be taken; null when one may
   */
  follow(name: string, base: Base): Promise<CloneFault | null>;
  /** The same for every clone that is due, so that faults are known before they matter. Not during a check-in. */
  followAll(base: Base): Promise<void>;
  /** The faults found in the clones that still exist. */
  faults(): readonly CloneFault[];
}

/** What was found last time. */
export interface Followed {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly faults: readonly CloneFault[];
}

/** Whether to fetch from a remote again. */
export function isDue(followed: Followed | undefined, now: number): boolean {
  if (followed === undefined) return true;
  const pause = followed.faults.some(({ holds }) => holds) ? LOOK_AGAIN_MS : LOOK_MS;
  return followed.at + pause <= now;
}

/** A fault that is found again keeps the time when it was first found. */
export function asFaults(
  project: string,
  troubles: readonly Trouble[],
  before: readonly CloneFault[],
  now: string,
): CloneFault[] {
  return troubles.map((trouble) => {
    const same = before.find(({ cause, subject }) => cause === trouble.cause && subject === trouble.subject);
    return { project, ...trouble, since: same?.since ?? now };
  });
}

type Needs = Pick<Effects, 'clock' | 'files' | 'log' | 'processes'>;

/**
 * @param changed called when a clone is ready or has failed
 * @param signal stops running clones
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
  const followed = new Map<string, Followed>();
  let list: ProjectList = { projects: [], problems: [] };
  const isListed = (name: string) => list.projects.some((project) => project.name === name);

  const bringUpToDate = async (name: string, base: Base): Promise<CloneFault | null> => {
    const branch = list.projects.find((project) => project.name === name)?.branch ?? null;
    const troubles = await follow(
      effects,
      { project: { name, branch }, directory: join(repos, name), listed: isListed(name) },
      base,
      signal,
    );
    // An interrupted fetch says nothing about the remote.
    if (signal.aborted) return null;
    const now = clock.now();
    const faults = asFaults(name, troubles, followed.get(name)?.faults ?? [], timestamp(now));
    followed.set(name, { at: now, faults });
    return faults.find(({ holds }) => holds) ?? null;
  };

  const look = (): Clone[] => {
    // A clone outside the lists, made by the operator, counts as soon as it is usable, and is not reported before.
    const unlisted = files
      .list(repos)
      .filter((name) => !name.startsWith('.') && !isListed(name))
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
        : describe(await bringUpToDate(name, 'HEAD'));
    if (signal.aborted) return;
    // A clone that is up to date and still has no pipeline.yaml is fetched again later: one may be pushed.
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
      // A project that is asked for again is tried at once, whatever came of it before.
      for (const [name, { running }] of attempts) if (!running && !isListed(name)) attempts.delete(name);
      if (signal.aborted) return;
      const wanting = list.projects.filter((project) =>
        ['absent', 'no-config'].includes(onDisk(files, repos, project)),
      );
      for (const project of planClones(wanting, attempts, clock.now())) void work(project);
    },
    summary: () => summarize(look(), list.problems),
    follow: bringUpToDate,
    async followAll(base) {
      for (const { name, state } of look()) {
        if (signal.aborted) return;
        if (state === 'ready' && isDue(followed.get(name), clock.now())) await bringUpToDate(name, base);
      }
    },
    faults() {
      const ready = new Set(look().flatMap(({ name, state }) => (state === 'ready' ? [name] : [])));
      return [...followed].flatMap(([name, { faults }]) => (ready.has(name) ? faults : []));
    },
  };
}

/** Removes what a killed supervisor left half cloned. Only with the boot lock held. */
export async function removePartialClones(files: Files, repos: string): Promise<void> {
  for (const name of files.list(repos)) {
    if (name.startsWith(TEMPORARY)) await files.remove(join(repos, name));
  }
}

/** @returns null, or why it failed */
async function fetchClone(
  { files, log, processes }: Needs,
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
    const missing = await updateSubmodules({ files, processes }, temporary, signal);
    if (missing !== null) log.line(`clone ${name}: some submodules are missing: ${missing}`);
    files.rename(temporary, join(repos, name));
    return null;
  } catch (error) {
    return messageOf(error);
  } finally {
    await files.remove(temporary).catch(() => {});
  }
}

/** The state of a clone on the volume. */
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
      return { state: 'failed', message: `repos/${project.name} is not a git clone: move it away` };
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

function describe(fault: CloneFault | null): string | null {
  return fault === null ? null : [fault.text, fault.said].filter(Boolean).join(': ');
}

function sourceOf({ repo, branch }: Project): string {
  return `${repo} ${branch ?? ''}`;
}
