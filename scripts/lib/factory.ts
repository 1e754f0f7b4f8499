/**
 * What the `factory` program says and accepts, in every dialect that is in use. Pure functions over its help, its JSON
 * and its paths; the facts come from running the program (commits 2995b1d = A, 8697b3a = B and the design document).
 *
 * The laptop and the supervisor read the same answers, so this file is shared by both.
 */
import { basename } from 'node:path';
import type { CheckInAction, DispatchRecord, Word } from './contract.ts';
import { type Note, readJson } from './read-contract.ts';

/**
 * Which command line the worker's binary has, detected per flag rather than per version: commits between the dialects
 * exist, and `factory version` prints `dev` in many builds.
 */
export interface Dialect {
  /** For people: `design`, `A` or `B`. */
  readonly name: 'design' | 'A' | 'B';
  /** `queue add --project P --issue N`, as the design document writes it. */
  readonly addByProject: boolean;
  /** `queue add` knows, or demands, the path of a pipeline.yaml. */
  readonly config: 'none' | 'optional' | 'required';
  readonly dependsOn: boolean;
  readonly intent: boolean;
  /** The build keeps its state in PostgreSQL instead of `~/.factory/factory.db`. */
  readonly postgres: boolean;
}

/**
 * The driver's name, which only the binary of a PostgreSQL build contains. The scripts of the image and of scripts/remote/
 * search for the same.
 */
export const POSTGRES_DRIVER = 'github.com/jackc/pgx';

/** `A`, `B`, `design`; a PostgreSQL build has another dialect than the same build with SQLite. */
export function dialectName({ name, postgres }: Pick<Dialect, 'name' | 'postgres'>): string {
  return `${name}${postgres ? ' with PostgreSQL' : ''}`;
}

/**
 * @param addHelp what `factory queue add --help` printed
 * @param postgres whether the binary contains the PostgreSQL driver
 */
export function parseDialect(addHelp: string, postgres: boolean): Dialect {
  const lines = addHelp.split('\n');
  const lineOf = (flag: string) => {
    const pattern = new RegExp(`^[ \\t]+(?:-\\w, )?--${flag}(?: |$)`);
    return lines.find((line) => pattern.test(line));
  };
  const has = (flag: string) => lineOf(flag) !== undefined;
  const addByProject = has('project') && has('issue');
  const config = !has('config') ? 'none' : lineOf('config')?.includes('(required)') ? 'required' : 'optional';
  return {
    name: addByProject ? 'design' : config === 'none' ? 'A' : 'B',
    addByProject,
    config,
    dependsOn: has('depends-on'),
    intent: has('intent'),
    postgres,
  };
}

export type RowStatus = 'pending' | 'active' | 'completed' | 'failed';

/** A row of the queue. */
export interface QueueRow {
  readonly issue: number;
  readonly status: Word<RowStatus>;
  readonly position: number;
  readonly intent: string;
  readonly addedAt: string;
  /** The project according to factory itself: a column that only the design dialect has. */
  readonly project: string | null;
  /** B: `owner/repo`; otherwise empty. */
  readonly namespace: string;
  /** B: absolute path of the row's pipeline.yaml; otherwise empty. */
  readonly configPath: string;
  readonly dependsOn: readonly number[];
}

export type PipelineStatus = 'pending' | 'in_progress' | 'completed' | 'failed' | 'blocked' | 'rate_limited';

/** An issue that factory has started. */
export interface Pipeline {
  readonly issue: number;
  readonly title: string;
  readonly status: Word<PipelineStatus>;
  readonly stage: string;
  readonly attempt: number;
  /** The name of its tmux session. It stays set after the stage and does not mean that the session is alive. */
  readonly session: string;
  /** The program's last event of that session: started, active, idle, exited, factory_send, steer, human_input. */
  readonly sessionState: string;
  readonly branch: string;
}

/**
 * @param text stdout of `factory queue list --format json`: an array with PascalCase keys, or `null` when empty
 * @throws ContractError when it is not JSON or does not fit
 */
export function parseQueue(text: string, note?: Note): QueueRow[] {
  return (readJson('queue', 'the queue', text, note) ?? []).map((row) => ({
    issue: row.Issue,
    status: row.Status,
    position: row.Position ?? 0,
    intent: row.FeatureIntent ?? '',
    addedAt: toRfc3339(row.AddedAt ?? ''),
    project: row.Project || null,
    namespace: row.Namespace ?? '',
    configPath: row.ConfigPath ?? '',
    dependsOn: row.DependsOn ?? [],
  }));
}

/**
 * @param text stdout of `factory status --format json`: an array with snake_case keys, or `null` when empty
 * @throws ContractError when it is not JSON or does not fit
 */
export function parsePipelines(text: string, note?: Note): Pipeline[] {
  return (readJson('pipelines', 'the list of pipelines', text, note) ?? []).map((row) => ({
    issue: row.issue,
    title: row.title ?? '',
    status: row.status,
    stage: row.stage ?? '',
    attempt: row.attempt ?? 0,
    session: row.session ?? '',
    sessionState: row.session_state ?? '',
    branch: row.branch ?? '',
  }));
}

/**
 * @param text stdout of `factory orchestrator check-in --format json`: `{"actions": […]}`. The outcome is in here, never
 *   in the exit code, which is 0 for every outcome.
 * @throws ContractError when it is not JSON or does not fit
 */
export function parseActions(text: string): readonly CheckInAction[] {
  return (readJson('checkIn', 'the answer of factory', text).actions ?? []).map((action) =>
    action.message === undefined ? action : { ...action, message: oneSentence(action.message) },
  );
}

/** A message that contains a program's output, without line breaks and without git's lines before the error. */
function oneSentence(message: string): string {
  return message
    .replaceAll(/Preparing worktree \([^)\n]*\)/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

const WORDS: Readonly<Record<string, string>> = {
  in_progress: 'in progress',
  rate_limited: 'rate limited',
};

/** The status of a pipeline as people write it. One that is not known stays as it is: a changed token would not be masked. */
export function statusWord(status: string): string {
  return Object.hasOwn(WORDS, status) ? String(WORDS[status]) : status;
}

/** Whether a pipeline still has work to do. `blocked` counts: it holds the queue. */
export function isLive(pipeline: Pipeline): boolean {
  return pipeline.status !== 'completed' && pipeline.status !== 'failed';
}

/**
 * Whether a row still says active although its issue is completed: the check-in died in between. If another project has a
 * second pipeline with the same number, the row waits for that one.
 */
export function isBehind(
  { issue, status }: Pick<QueueRow, 'issue' | 'status'>,
  pipelines: readonly Pipeline[],
): boolean {
  if (status !== 'active') return false;
  const own = pipelines.filter((pipeline) => pipeline.issue === issue);
  return own.length === 1 && own[0]?.status === 'completed';
}

/**
 * The message of a failed call. The program prints `Error: MSG`, the usage, then `MSG` again; only the first part is
 * for people. A message may span lines; here it is one sentence.
 */
export function parseError(stderr: string): string {
  const from = /^Error: /m.exec(stderr);
  const said = from === null ? stderr : stderr.slice(from.index + from[0].length);
  const end = from === null ? -1 : said.search(/\n(?:Usage:|Run '|[^\S\n]*\n)/);
  const lines = (end < 0 ? said : said.slice(0, end)).split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').join(' ');
}

/** What is needed to find the project of an issue. */
export interface Ownership {
  readonly dispatches: readonly DispatchRecord[];
  /** Names of the clones on the volume. */
  readonly projects: readonly string[];
  /** The directory of the clones: `…/repos`. */
  readonly reposDir: string;
}

/**
 * The project of an issue: factory's own column, otherwise what was recorded at dispatch, otherwise the path of the row's
 * pipeline.yaml, otherwise the only project there is, otherwise null (shown as `?#23`).
 */
export function projectOf(issue: number, row: QueueRow | undefined, ownership: Ownership): string | null {
  if (row?.project) return row.project;
  const recorded = ownership.dispatches.findLast((record) => record.issue === issue)?.project;
  if (recorded) return recorded;
  const prefix = `${ownership.reposDir}/`;
  if (row?.configPath.startsWith(prefix)) return row.configPath.slice(prefix.length).split('/')[0] ?? null;
  const [only, ...others] = ownership.projects;
  return only !== undefined && others.length === 0 ? only : null;
}

/** The name a repository is cloned under: `owner/name` and every form of URL give `name`. */
export function projectName(repo: string): string {
  return basename(repo.replace(/(?<![/:])[/:]+$/, '').replace(/:/g, '/')).replace(/\.git$/, '');
}

/** `2026-11-22 15:12:15`, UTC without saying so, as the program prints it, becomes RFC 3339. */
function toRfc3339(time: string): string {
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(time) ? `${time.replace(' ', 'T')}Z` : time;
}

export interface StageName {
  readonly issue: number;
  readonly stage: string;
  readonly attempt: number;
}

/** `23-qa-1`, or `23-qa-1-fix-2` for a fix round, as `factory` names its sessions. */
export function parseStageName(name: string): StageName | null {
  const match = /^(\d{1,9})-(.+?)-(\d{1,9})(?:-fix-\d+)?$/.exec(name);
  if (match === null) return null;
  return { issue: Number(match[1]), stage: match[2] ?? '', attempt: Number(match[3]) };
}
