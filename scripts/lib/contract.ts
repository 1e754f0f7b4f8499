/**
 * The JSON that chart, image and commands agree on: what the supervisor writes into a worker's folders and what the
 * commands read from there. Types and constants only, no effects: the supervisor and the laptop import the same file.
 *
 * Times are RFC 3339 in UTC, durations are seconds (`…Seconds`) or milliseconds (`ms`), sizes are bytes.
 */

/** The version every JSON file of the contract carries in `schema`. */
export const SCHEMA = 1;

/** Names of files, relative to the directory that the environment variable in the comment names. */
export const FILES = {
  /** WORKER_RUN_DIR */
  boot: 'boot.json',
  bootLog: 'boot.log',
  heartbeat: 'heartbeat.json',
  alive: 'alive',
  /** WORKER_STATE_DIR */
  bootLock: 'boot.lock',
  drain: 'drain',
  dispatches: 'dispatch.jsonl',
  repairs: 'repairs.jsonl',
  taken: 'taken.json',
  claudeFailures: 'claude-failures.jsonl',
  account: 'account.json',
  attaches: 'attach.jsonl',
  /** Projects that the laptop asked for; the chart's list (`projects` below) wins where both name one. */
  requestedProjects: 'projects.json',
  checkInLock: 'locks/check-in',
  queueLock: 'locks/queue',
  orchestratorLog: 'logs/orchestrator.log',
  /** WORKER_CONFIG_DIR */
  projects: 'projects.json',
  settings: 'settings.json',
} as const;

/** The tmux session that shows the orchestrator's check-ins, and the one that shows the boot. */
export const ORCHESTRATOR_SESSION = 'orchestrator';
export const BOOT_SESSION = 'boot';

/** The five directories every worker has, in a pod and on this machine alike. */
export interface WorkerDirs {
  readonly WORKER_CONFIG_DIR: string;
  readonly WORKER_SECRETS_DIR: string;
  /** Volatile: gone with the pod. */
  readonly WORKER_RUN_DIR: string;
  /** Durable: on the volume, under ~/.factory. */
  readonly WORKER_STATE_DIR: string;
  readonly WORKER_REPOS_DIR: string;
}

/** `off`: not wanted here. `missing`: wanted, but something the operator has to bring is not there. */
export type PhaseStatus = 'running' | 'ok' | 'off' | 'missing' | 'failed';

export interface BootPhase {
  readonly name: string;
  readonly status: PhaseStatus;
  readonly startedAt: string;
  /** How long it took, or has taken so far. */
  readonly ms: number;
  /** One sentence; what to do next when the status is `missing` or `failed`. */
  readonly message: string;
}

/** `boot.json` in WORKER_RUN_DIR, rewritten at every change of a phase. */
export interface Boot {
  readonly schema: number;
  readonly bootId: string;
  readonly podUid: string | null;
  readonly image: string | null;
  readonly startedAt: string;
  /** Null while a phase that gates the start is still running. */
  readonly finishedAt: string | null;
  readonly phases: readonly BootPhase[];
}

/** The reason in a heartbeat that is `refused` because nobody wants check-ins here: no trouble, a setting. */
export const ORCHESTRATOR_OFF = 'the orchestrator is switched off (orchestrator.enabled in settings.json)';

/** `refused`: the loop will not call check-in, for the reason given (a tool missing in the panes, say). */
export type LoopState = 'checking-in' | 'waiting' | 'drained' | 'refused';

/** One entry of `factory orchestrator check-in --format json`, as the program prints it. */
export interface CheckInAction {
  readonly issue: number;
  readonly action: string;
  readonly stage?: string;
  readonly session?: string;
  readonly message?: string;
}

/** `heartbeat.json` in WORKER_RUN_DIR, written before and after each check-in. */
export interface Heartbeat {
  readonly schema: number;
  readonly state: LoopState;
  readonly reason: string | null;
  /** The supervisor's process. The loop is dead when it and the check-in lock are gone, never by age. */
  readonly pid: number;
  readonly project: string | null;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly intervalSeconds: number;
  readonly actions: readonly CheckInAction[];
  /** Why claude's account does not work, while no work is taken for that; left out by older images. */
  readonly account?: AccountHold | null;
}

/** `drain` in WORKER_STATE_DIR: while the file exists, no new check-in starts. It survives restarts. */
export interface Drain {
  readonly schema: number;
  readonly by: string;
  readonly host: string;
  readonly since: string;
  readonly reason: string;
  /** The id of the release that drained the worker, or a command of {@link DRAINED_BY}: it lifts it again. Null: a person did. */
  readonly release: string | null;
}

/** Commands that drain a worker on the way to something else, and lift it again from whatever laptop. */
export const DRAINED_BY = { stop: 'stop', restore: 'restore' } as const;

/** From these shares of a disk on, in percent, work is endangered, and then no longer taken. */
export const DISK_WARN_PERCENT = 85;
export const DISK_FULL_PERCENT = 90;

/** A line of `dispatch.jsonl`: which project a queue row belongs to when the program has no such column. */
export interface DispatchRecord {
  readonly issue: number;
  readonly project: string;
  readonly at: string;
  readonly by: string;
}

/** A line of `repairs.jsonl`: what was done to set an orphaned issue going again. */
export interface Repair {
  readonly at: string;
  readonly issue: number;
  /** Empty, as is the session, and attempt 0, when it is the row that is mended, and no stage. */
  readonly stage: string;
  readonly attempt: number;
  readonly session: string;
  /**
   * `advance`, `mark-exited` and `retry` are factory's own verbs; `give-up` is the line after the last allowed try. `retry` and
   * `run-again` follow whenever claude's account works again, and count as no try.
   */
  readonly action:
    | 'advance'
    | 'mark-exited'
    | 'kill-and-advance'
    | 'retry'
    | 'run-again'
    | 'requeue'
    | 'remove-row'
    | 'give-up';
  /** What the operator types when the supervisor has given up; empty before that. */
  readonly cure: string;
}

/** `taken.json` in WORKER_STATE_DIR: the row that a check-in takes from the queue, until its issue has come to an end. */
export interface TakenRow {
  readonly issue: number;
  readonly intent: string;
  readonly configPath: string;
  readonly dependsOn: readonly number[];
  /** It is being put back, and may be in the queue no more. */
  readonly removed: boolean;
}

/** An entry of `projects.json`. */
export interface Project {
  readonly name: string;
  /** `owner/name` on GitHub, or anything `git clone` takes. */
  readonly repo: string;
  readonly branch: string | null;
  /** Path of the pipeline configuration inside the repository. */
  readonly config: string;
}

/** `settings.json` in WORKER_CONFIG_DIR. Every field has a default, so that an older chart works with a newer image. */
export interface Settings {
  readonly schema: number;
  readonly orchestrator: { readonly enabled: boolean; readonly intervalSeconds: number };
  readonly docker: {
    readonly enabled: boolean;
    readonly mtu: number | null;
    readonly addressPools: readonly { readonly base: string; readonly size: number }[];
    readonly registryMirrors: readonly string[];
    readonly storage: {
      readonly kind: 'emptyDir' | 'ephemeral' | 'claim';
      readonly sizeBytes: number | null;
    };
    readonly memoryReserveBytes: number;
  };
  readonly claude: {
    /** Whether an agent may stop and ask the operator; `factory` takes the quiet pane for a stage that is done. */
    readonly askUserQuestion: boolean;
  };
  readonly shutdown: {
    readonly waitForStageSeconds: number;
    /** After SIGTERM and this time Kubernetes kills what is left; null where nobody does. */
    readonly graceSeconds: number | null;
  };
}

/** What holds where `settings.json` says nothing. */
export const DEFAULT_SETTINGS: Settings = {
  schema: SCHEMA,
  orchestrator: { enabled: true, intervalSeconds: 30 },
  docker: {
    enabled: false,
    mtu: null,
    addressPools: [],
    registryMirrors: [],
    storage: { kind: 'emptyDir', sizeBytes: null },
    memoryReserveBytes: 1024 ** 3,
  },
  claude: { askUserQuestion: false },
  shutdown: { waitForStageSeconds: 20 * 60, graceSeconds: null },
};

/** A file of the contract that is there but cannot be used; `message` says what to do about it. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
}

/**
 * Reads one JSON file of the contract.
 *
 * @param file the name to use in messages, such as `boot.json`
 * @param text the file's content
 * @returns the parsed document; its fields are trusted once the schema version fits, since both sides are ours
 * @throws ContractError when the text is no JSON or was written by another version: a newer one asks for a newer
 *   checkout, an older one for a newer image, so that nobody has to interpret a parse error at midnight
 */
export function readContract<T extends { readonly schema: number }>(file: string, text: string): T {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new ContractError(`${file} is not JSON (${text.length} characters)`);
  }
  const schema = isRecord(document) ? document['schema'] : undefined;
  if (typeof schema !== 'number') {
    throw new ContractError(`${file} carries no schema version: release a new image to this worker`);
  }
  if (schema > SCHEMA) {
    throw new ContractError(
      `${file} has schema ${schema}, this program knows ${SCHEMA}: update this checkout`,
    );
  }
  if (schema < SCHEMA) {
    throw new ContractError(
      `${file} has schema ${schema}, this program needs ${SCHEMA}: release a new image`,
    );
  }
  return document as T;
}

/**
 * Reads a file of JSON lines, such as `dispatch.jsonl`.
 *
 * @returns the lines that parse to objects; a line cut by a full disk or a crash is left out, the rest still counts
 */
export function readJsonLines<T>(text: string): T[] {
  const records: T[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    try {
      const record: unknown = JSON.parse(line);
      if (isRecord(record)) records.push(record as T);
    } catch {
      // The writer died in the middle of this line.
    }
  }
  return records;
}

/** Whether a parsed JSON value is an object (and no array). */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A line of `claude-failures.jsonl` in WORKER_STATE_DIR: claude ended a turn of a stage with an error, as its hook tells, or it
 * was asked nothing, as the supervisor saw.
 */
export interface ClaudeFailure {
  readonly schema: number;
  readonly at: string;
  readonly session: string;
  readonly issue: number;
  readonly stage: string;
  /** claude's own word: `authentication_failed`, `rate_limit`, `server_error`; {@link UNHEARD} is the supervisor's. */
  readonly error: string;
  /** What it showed; cut, tokens masked. */
  readonly text: string;
}

/** The `error` of a stage whose claude is there and never got its prompt. */
export const UNHEARD = 'unheard';

export type AccountCause =
  | 'token-missing'
  | 'token-refused'
  | 'limit'
  | 'no-credit'
  | 'disabled'
  | 'unreachable'
  | 'unheard';

/** Claude's account does not work, so no work is taken until it does. */
export interface AccountHold {
  readonly cause: AccountCause;
  /** What claude said; empty when it was not asked. */
  readonly text: string;
  readonly since: string;
  /** When a limit is reset; null when that is not known. */
  readonly until: string | null;
  /** When claude is asked again; null when that would tell nothing. */
  readonly probeAt: string | null;
  /** Sessions of the stages that could not work; each is run again afterwards. */
  readonly sessions: readonly string[];
}
