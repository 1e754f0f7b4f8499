/**
 * The JSON that chart, image and commands agree on: what the supervisor writes into a worker's folders and what the
 * commands read from there. Types, their schemas and constants only, no effects: the supervisor and the laptop import the
 * same file. `read-contract.ts` validates with the schemas.
 *
 * Times are RFC 3339 in UTC, durations are seconds (`…Seconds`) or milliseconds (`ms`), sizes are bytes.
 *
 * The schemas are JSON Type Definitions (RFC 8927), not JSON Schema: JTDSchemaType lets the compiler compare each with its
 * type, null and optional fields included, so that the two cannot drift apart; and a time or a whole number is a type of the
 * language itself.
 */
import type { JTDSchemaType } from 'ajv/dist/jtd.js';

/** The version that every JSON file of the contract has in `schema`. */
export const SCHEMA = 1;

/** Names of files, relative to the directory that the environment variable in the comment names. */
export const FILES = {
  /** WORKER_RUN_DIR */
  boot: 'boot.json',
  bootLog: 'boot.log',
  heartbeat: 'heartbeat.json',
  alive: 'alive',
  /** One line: the URL of a PostgreSQL database. */
  databaseUrl: 'database-url',
  /** WORKER_STATE_DIR */
  bootLock: 'boot.lock',
  drain: 'drain',
  dispatches: 'dispatch.jsonl',
  repairs: 'repairs.jsonl',
  taken: 'taken.json',
  claudeFailures: 'claude-failures.jsonl',
  account: 'account.json',
  attaches: 'attach.jsonl',
  /** Projects that the laptop asked for; the chart's list (`projects` below) takes precedence. */
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

/** The five directories of every worker, in a pod or local. */
export interface WorkerDirs {
  readonly WORKER_CONFIG_DIR: string;
  readonly WORKER_SECRETS_DIR: string;
  /** Volatile: gone with the pod. */
  readonly WORKER_RUN_DIR: string;
  /** Durable: on the volume, under ~/.factory. */
  readonly WORKER_STATE_DIR: string;
  readonly WORKER_REPOS_DIR: string;
}

/** A word from a list that a newer worker may extend: readers must handle unknown words. */
export type Word<Known extends string> = Known | (string & Record<never, never>);

/** `off`: not wanted here. `missing`: wanted, but the operator has to provide something first. */
export type PhaseStatus = 'running' | 'ok' | 'off' | 'missing' | 'failed';

export interface BootPhase {
  readonly name: string;
  readonly status: Word<PhaseStatus>;
  readonly startedAt: string;
  /** How long it took, or has taken so far. */
  readonly ms: number;
  /** One sentence; what to do next when the status is `missing` or `failed`. */
  readonly message: string;
}

/** `postgres`: the worker's own server. `url`: one that the operator named by DATABASE_URL. */
export type DatabaseKind = 'sqlite' | 'postgres' | 'url';

/** Where `factory` keeps its queue, and whether it can be reached. */
export interface Database {
  readonly kind: Word<DatabaseKind>;
  /** `down`: it was ready before, and is expected to come back. */
  readonly state: Word<'ready' | 'starting' | 'down' | 'failed'>;
  /** One sentence: what is wrong, and what to do next. */
  readonly says?: string;
  /** Of the DATABASE_URL that `state` is about; only of kind `url`, absent in older images. */
  readonly urlHash?: string;
}

const DATABASE: JTDSchemaType<Database> = {
  properties: { kind: { type: 'string' }, state: { type: 'string' } },
  optionalProperties: { says: { type: 'string' }, urlHash: { type: 'string' } },
};

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
  /** Absent before the phase `database`, and in older images. */
  readonly database?: Database;
}

const BOOT: JTDSchemaType<Boot> = {
  properties: {
    schema: { type: 'uint32' },
    bootId: { type: 'string' },
    podUid: { type: 'string', nullable: true },
    image: { type: 'string', nullable: true },
    startedAt: { type: 'timestamp' },
    finishedAt: { type: 'timestamp', nullable: true },
    phases: {
      elements: {
        properties: {
          name: { type: 'string' },
          status: { type: 'string' },
          startedAt: { type: 'timestamp' },
          ms: { type: 'float64' },
          message: { type: 'string' },
        },
      },
    },
  },
  optionalProperties: { database: DATABASE },
};

/** The reason in a heartbeat that is `refused` because check-ins are switched off: a setting, not a problem. */
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

/** The `error` of a stage whose claude runs but never got its prompt. */
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
  readonly cause: Word<AccountCause>;
  /** What claude said; empty when it was not asked. */
  readonly text: string;
  readonly since: string;
  /** When a limit is reset; null when unknown. */
  readonly until: string | null;
  /** When claude is probed again; null when a probe would be no use. */
  readonly probeAt: string | null;
  /** Sessions of the stages that could not work; each stage is retried afterwards. */
  readonly sessions: readonly string[];
}

/** `account.json` in WORKER_STATE_DIR. */
export interface AccountRecord {
  readonly schema: number;
  /** How many lines of `claude-failures.jsonl` have been read. */
  readonly seen: number;
  readonly hold: AccountHold | null;
  /** Fingerprint of the token that the hold is about. */
  readonly token: string;
  /** The number of failed or inconclusive probes: the pause before the next one grows with it. */
  readonly probes: number;
  /** When the last hold ended; empty when there was none. */
  readonly endedAt: string;
}

const CLAUDE_FAILURE: JTDSchemaType<ClaudeFailure> = {
  properties: {
    schema: { type: 'uint32' },
    at: { type: 'timestamp' },
    session: { type: 'string' },
    issue: { type: 'uint32' },
    stage: { type: 'string' },
    error: { type: 'string' },
    text: { type: 'string' },
  },
};

const ACCOUNT_HOLD: JTDSchemaType<AccountHold> = {
  properties: {
    cause: { type: 'string' },
    text: { type: 'string' },
    since: { type: 'timestamp' },
    until: { type: 'timestamp', nullable: true },
    probeAt: { type: 'timestamp', nullable: true },
    sessions: { elements: { type: 'string' } },
  },
};

const ACCOUNT: JTDSchemaType<AccountRecord> = {
  properties: {
    schema: { type: 'uint32' },
    seen: { type: 'uint32' },
    hold: { ...ACCOUNT_HOLD, nullable: true },
    token: { type: 'string' },
    probes: { type: 'uint32' },
    endedAt: { type: 'string' },
  },
};

export type CloneCause =
  | 'fetch-failed'
  | 'upstream-gone'
  | 'head-moved'
  | 'unfinished'
  | 'changed'
  | 'locked'
  | 'no-main'
  | 'not-main'
  | 'set-aside'
  | 'submodules';

/** The main checkout of a project differs from its remote, or has another problem. */
export interface CloneFault {
  readonly project: string;
  readonly cause: Word<CloneCause>;
  /** One sentence. */
  readonly text: string;
  /** What git said; empty when it said nothing. */
  readonly said: string;
  /** The branch, ref, operation or path that the cause is about; empty when there is none. */
  readonly subject: string;
  readonly since: string;
  /** Whether no row of the project is taken while it lasts. */
  readonly holds: boolean;
}

/** The heartbeat's reason while the fault keeps its project's rows from being taken. */
export function describeCloneHold({ project, text }: Pick<CloneFault, 'project' | 'text'>): string {
  return `no issue of ${project} is begun: ${text}`;
}

const CLONE_FAULT: JTDSchemaType<CloneFault> = {
  properties: {
    project: { type: 'string' },
    cause: { type: 'string' },
    text: { type: 'string' },
    said: { type: 'string' },
    subject: { type: 'string' },
    since: { type: 'timestamp' },
    holds: { type: 'boolean' },
  },
};

/** `heartbeat.json` in WORKER_RUN_DIR, written before and after each check-in. */
export interface Heartbeat {
  readonly schema: number;
  readonly state: Word<LoopState>;
  readonly reason: string | null;
  /** The supervisor's process. The loop is dead when it and the check-in lock are gone, never by age. */
  readonly pid: number;
  readonly project: string | null;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly intervalSeconds: number;
  readonly actions: readonly CheckInAction[];
  /** Why claude's account does not work, while no work is taken because of it; absent in older images. */
  readonly account?: AccountHold | null;
  /** Problems of main checkouts that were looked at; absent in older images. */
  readonly clones?: readonly CloneFault[];
  /** Absent in older images. */
  readonly database?: Database;
  /** The tmux session whose agent asks the operator: its check-in is stopped until it has its answer. Absent in older images. */
  readonly asks?: string | null;
}

const ACTION: JTDSchemaType<CheckInAction> = {
  properties: { issue: { type: 'uint32' }, action: { type: 'string' } },
  optionalProperties: {
    stage: { type: 'string' },
    session: { type: 'string' },
    message: { type: 'string' },
  },
};

const HEARTBEAT: JTDSchemaType<Heartbeat> = {
  properties: {
    schema: { type: 'uint32' },
    state: { type: 'string' },
    reason: { type: 'string', nullable: true },
    pid: { type: 'uint32' },
    project: { type: 'string', nullable: true },
    startedAt: { type: 'timestamp' },
    finishedAt: { type: 'timestamp', nullable: true },
    intervalSeconds: { type: 'float64' },
    actions: { elements: ACTION },
  },
  optionalProperties: {
    account: { ...ACCOUNT_HOLD, nullable: true },
    clones: { elements: CLONE_FAULT },
    database: DATABASE,
    asks: { type: 'string', nullable: true },
  },
};

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

const DRAIN: JTDSchemaType<Drain> = {
  properties: {
    schema: { type: 'uint32' },
    by: { type: 'string' },
    host: { type: 'string' },
    since: { type: 'timestamp' },
    reason: { type: 'string' },
    release: { type: 'string', nullable: true },
  },
};

/** Commands that drain a worker as one of their steps, and lift the drain again from any laptop. */
export const DRAINED_BY = { stop: 'stop', restore: 'restore' } as const;

/** From these shares of a disk on, in percent, work is endangered, and then no longer taken. */
export const DISK_WARN_PERCENT = 85;
export const DISK_FULL_PERCENT = 90;

/** A line of `dispatch.jsonl`: which project a queue row belongs to when the program has no such column. */
export interface DispatchRecord {
  readonly issue: number;
  readonly project: string;
  /** When and by whom it was added; a record says what it is for without them. */
  readonly at?: string;
  readonly by?: string;
}

const DISPATCH: JTDSchemaType<DispatchRecord> = {
  properties: { issue: { type: 'uint32' }, project: { type: 'string' } },
  optionalProperties: { at: { type: 'string' }, by: { type: 'string' } },
};

/** A line of `repairs.jsonl`: what was done to continue an interrupted issue. */
export interface Repair {
  readonly at: string;
  readonly issue: number;
  /** Empty, like the session, with attempt 0, when a row was repaired, not a stage. */
  readonly stage: string;
  readonly attempt: number;
  readonly session: string;
  /**
   * `advance`, `mark-exited` and `retry` are factory's own verbs; `give-up` is the line after the last allowed try. `retry` and
   * `run-again` follow whenever claude's account works again, and count as no try. `unblock` is a `retry` after tmux died
   * under a check-in, or the database was gone. `run-triage` begins a triage anew.
   */
  readonly action: Word<
    | 'advance'
    | 'mark-exited'
    | 'kill-and-advance'
    | 'end-session'
    | 'retry'
    | 'run-again'
    | 'unblock'
    | 'requeue'
    | 'remove-row'
    | 'run-triage'
    | 'give-up'
  >;
  /** What the operator types when the supervisor has given up; empty before that. */
  readonly cure: string;
}

const REPAIR: JTDSchemaType<Repair> = {
  properties: {
    at: { type: 'string' },
    issue: { type: 'uint32' },
    stage: { type: 'string' },
    attempt: { type: 'uint32' },
    session: { type: 'string' },
    action: { type: 'string' },
    cure: { type: 'string' },
  },
};

/** An entry of `taken.json` in WORKER_STATE_DIR: a row that a check-in takes from the queue, until its issue has ended. */
export interface TakenRow {
  readonly issue: number;
  readonly intent: string;
  readonly configPath: string;
  readonly dependsOn: readonly number[];
  /** It is being requeued, and may no longer be in the queue. */
  readonly removed: boolean;
}

const TAKEN: JTDSchemaType<readonly TakenRow[]> = {
  elements: {
    properties: {
      issue: { type: 'uint32' },
      intent: { type: 'string' },
      configPath: { type: 'string' },
      dependsOn: { elements: { type: 'uint32' } },
      removed: { type: 'boolean' },
    },
  },
};

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
    /** Whether an agent may stop and ask the operator, for whose answer its stage and the queue then wait. */
    readonly askUserQuestion: boolean;
  };
  readonly shutdown: {
    readonly waitForStageSeconds: number;
    /** The time after SIGTERM at which Kubernetes kills what is left; null when nothing does. */
    readonly graceSeconds: number | null;
  };
}

const SETTINGS: JTDSchemaType<Settings> = {
  properties: {
    schema: { type: 'uint32' },
    orchestrator: { properties: { enabled: { type: 'boolean' }, intervalSeconds: { type: 'float64' } } },
    docker: {
      properties: {
        enabled: { type: 'boolean' },
        mtu: { type: 'uint32', nullable: true },
        addressPools: {
          elements: { properties: { base: { type: 'string' }, size: { type: 'uint32' } } },
        },
        registryMirrors: { elements: { type: 'string' } },
        storage: {
          properties: {
            kind: { enum: ['emptyDir', 'ephemeral', 'claim'] },
            sizeBytes: { type: 'float64', nullable: true },
          },
        },
        memoryReserveBytes: { type: 'float64' },
      },
    },
    claude: { properties: { askUserQuestion: { type: 'boolean' } } },
    shutdown: {
      properties: {
        waitForStageSeconds: { type: 'float64' },
        graceSeconds: { type: 'float64', nullable: true },
      },
    },
  },
};

/** The defaults for what `settings.json` does not set. */
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

/** A row of `factory queue list --format json`. The later fields came with later dialects of the program. */
export interface QueueRowJson {
  readonly Issue: number;
  readonly Status: string;
  readonly Position?: number;
  readonly FeatureIntent?: string | null;
  /** UTC without saying so: `2026-11-22 15:12:15`. */
  readonly AddedAt?: string | null;
  readonly Project?: string | null;
  readonly Namespace?: string | null;
  readonly ConfigPath?: string | null;
  readonly DependsOn?: readonly number[] | null;
}

/** The whole answer; null when the queue is empty. */
export type QueueJson = readonly QueueRowJson[] | null;

const QUEUE: JTDSchemaType<QueueJson> = {
  nullable: true,
  elements: {
    properties: { Issue: { type: 'uint32' }, Status: { type: 'string' } },
    optionalProperties: {
      Position: { type: 'int32' },
      FeatureIntent: { type: 'string', nullable: true },
      AddedAt: { type: 'string', nullable: true },
      Project: { type: 'string', nullable: true },
      Namespace: { type: 'string', nullable: true },
      ConfigPath: { type: 'string', nullable: true },
      DependsOn: { elements: { type: 'uint32' }, nullable: true },
    },
  },
};

/** An entry of `factory status --format json`. */
export interface PipelineJson {
  readonly issue: number;
  readonly status: string;
  readonly title?: string | null;
  readonly stage?: string | null;
  readonly attempt?: number;
  readonly session?: string | null;
  readonly session_state?: string | null;
  readonly branch?: string | null;
}

/** The whole answer; null when no issue was started. */
export type PipelinesJson = readonly PipelineJson[] | null;

const PIPELINES: JTDSchemaType<PipelinesJson> = {
  nullable: true,
  elements: {
    properties: { issue: { type: 'uint32' }, status: { type: 'string' } },
    optionalProperties: {
      title: { type: 'string', nullable: true },
      stage: { type: 'string', nullable: true },
      attempt: { type: 'uint32' },
      session: { type: 'string', nullable: true },
      session_state: { type: 'string', nullable: true },
      branch: { type: 'string', nullable: true },
    },
  },
};

/** What `factory orchestrator check-in --format json` prints. */
export interface CheckInJson {
  readonly actions: readonly CheckInAction[] | null;
}

const CHECK_IN: JTDSchemaType<CheckInJson> = {
  properties: { actions: { elements: ACTION, nullable: true } },
};

/** `build.json` of an image, as far as releases compare it. */
export interface Build {
  readonly revision?: string;
  readonly platform?: string;
  readonly factory?: { readonly sha256?: string; readonly version?: string };
  readonly supervisor?: { readonly sha256?: string };
}

const BUILD: JTDSchemaType<Build> = {
  optionalProperties: {
    revision: { type: 'string' },
    platform: { type: 'string' },
    factory: { optionalProperties: { sha256: { type: 'string' }, version: { type: 'string' } } },
    supervisor: { optionalProperties: { sha256: { type: 'string' } } },
  },
};

/** What an image's self-check prints after `RESULT` (scripts/remote/release-prepull.sh). */
export interface SelfCheck {
  readonly build: Build;
  /** Version of the schema that its factory makes; null of one that keeps its state in PostgreSQL. */
  readonly schema: number | null;
  readonly postgres: boolean;
  /** What `factory queue add --help` printed. */
  readonly help: string;
}

const SELF_CHECK: JTDSchemaType<SelfCheck> = {
  properties: {
    build: BUILD,
    schema: { type: 'uint32', nullable: true },
    postgres: { type: 'boolean' },
    help: { type: 'string' },
  },
};

/** What a worker reports about a backup on its volume (scripts/remote/backup.sh). */
export interface BackupRecord {
  /** On the worker. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** `none`: the worker had no database (yet). */
  readonly database: DatabaseKind | 'none';
  readonly schema: number | null;
  readonly rows: number | null;
  readonly newest: number | null;
  readonly integrity: string | null;
}

const BACKUP: JTDSchemaType<BackupRecord> = {
  properties: {
    file: { type: 'string' },
    bytes: { type: 'float64' },
    sha256: { type: 'string' },
    database: { enum: ['sqlite', 'postgres', 'url', 'none'] },
    schema: { type: 'uint32', nullable: true },
    rows: { type: 'float64', nullable: true },
    newest: { type: 'float64', nullable: true },
    integrity: { type: 'string', nullable: true },
  },
};

/**
 * - `queued` it was added; `would-queue` and `would-requeue` say so of a dry run
 * - `already` it is pending or active: nothing to do
 * - `finished` it was completed or failed before, and `--requeue` was not given
 * - `working` it is to be queued again, but its pipeline is in progress, whatever its row says
 * - `other-project` its number belongs to another project of this worker
 * - `in-the-way` something of an earlier start is left that factory cannot start over, and that is not ours to remove
 * - `failed` factory refused it
 * - `lost` the laptop's word: the connection broke before its turn came; it is not in the queue and will not be
 */
const ISSUE_OUTCOMES = [
  'queued',
  'would-queue',
  'would-requeue',
  'already',
  'finished',
  'working',
  'other-project',
  'in-the-way',
  'failed',
  'lost',
] as const;

/** The outcome of one issue of a dispatch: a line of the answers of scripts/remote/dispatch.sh and dispatch-withdraw.sh. */
export interface IssueOutcome {
  readonly issue: number;
  readonly outcome: (typeof ISSUE_OUTCOMES)[number];
  /**
   * For people: the row's state, the other project or the program's own message. Of `queued` the ref that keeps the commits of
   * an earlier run, if any; of `in-the-way` what stays, and on a second line what clears it in the worker.
   */
  readonly detail: string;
}

const ISSUE_OUTCOME: JTDSchemaType<IssueOutcome> = {
  properties: {
    issue: { type: 'uint32' },
    outcome: { enum: [...ISSUE_OUTCOMES] },
    detail: { type: 'string' },
  },
};

/** The outcome of one row of the queue: a line of the answer of scripts/remote/queue.sh. */
export interface RowOutcome {
  readonly issue: number;
  readonly ok: boolean;
  /** The program's own. */
  readonly message: string;
}

const ROW_OUTCOME: JTDSchemaType<RowOutcome> = {
  properties: { issue: { type: 'uint32' }, ok: { type: 'boolean' }, message: { type: 'string' } },
};

/**
 * What `restore --import` does with an open row of a backup: a line of the answers of scripts/remote/restore.sh and
 * restore-unpack.sh. `goes-on`: its pipeline goes on without a row. `waits`: it is left out, since it waits for a row that has
 * failed, and without that one it would start.
 */
export interface ImportedRow {
  readonly issue: number;
  readonly project: string;
  readonly fate: 'add' | 'goes-on' | 'waits';
}

const IMPORTED_ROW: JTDSchemaType<ImportedRow> = {
  properties: {
    issue: { type: 'uint32' },
    project: { type: 'string' },
    fate: { enum: ['add', 'goes-on', 'waits'] },
  },
};

/** The outcome of one item of a clean-up: a line of the answer of scripts/remote/cleanup.sh. */
export interface CleanupOutcome {
  readonly id: string;
  readonly fate: 'done' | 'kept' | 'failed';
  /** Why it was kept or failed; of Docker what it says of its success. */
  readonly why: string;
}

const CLEANUP_OUTCOME: JTDSchemaType<CleanupOutcome> = {
  properties: { id: { type: 'string' }, fate: { enum: ['done', 'kept', 'failed'] }, why: { type: 'string' } },
};

/** A line of `docker system df` or `docker image ls` in the format `{{json .}}`: sizes as Docker writes them, `1.2GB`. */
export interface DockerSizeJson {
  readonly Type?: string;
  readonly Size?: string;
  readonly Reclaimable?: string;
}

const DOCKER_SIZE: JTDSchemaType<DockerSizeJson> = {
  optionalProperties: {
    Type: { type: 'string' },
    Size: { type: 'string' },
    Reclaimable: { type: 'string' },
  },
};

/** The part of a local worker's `worker.json` that is needed to reach it. */
export interface LocalWorkerFile {
  readonly schema: number;
  /** The whole environment of its programs. */
  readonly env: Readonly<Record<string, string>>;
}

const LOCAL_WORKER: JTDSchemaType<LocalWorkerFile> = {
  properties: { schema: { type: 'uint32' }, env: { values: { type: 'string' } } },
};

/** Everything that a worker may send, by the name of its schema. */
export interface Documents {
  readonly boot: Boot;
  readonly heartbeat: Heartbeat;
  readonly drain: Drain;
  readonly dispatch: DispatchRecord;
  readonly repair: Repair;
  readonly taken: readonly TakenRow[];
  readonly settings: Settings;
  readonly queue: QueueJson;
  readonly pipelines: PipelinesJson;
  readonly checkIn: CheckInJson;
  readonly build: Build;
  readonly selfCheck: SelfCheck;
  readonly backup: BackupRecord;
  readonly issueOutcome: IssueOutcome;
  readonly rowOutcome: RowOutcome;
  readonly importedRow: ImportedRow;
  readonly cleanupOutcome: CleanupOutcome;
  readonly dockerSize: DockerSizeJson;
  readonly account: AccountRecord;
  readonly claudeFailure: ClaudeFailure;
  readonly localWorker: LocalWorkerFile;
}

export const SCHEMAS: { readonly [Name in keyof Documents]: JTDSchemaType<Documents[Name]> } = {
  boot: BOOT,
  heartbeat: HEARTBEAT,
  drain: DRAIN,
  dispatch: DISPATCH,
  repair: REPAIR,
  taken: TAKEN,
  settings: SETTINGS,
  queue: QUEUE,
  pipelines: PIPELINES,
  checkIn: CHECK_IN,
  build: BUILD,
  selfCheck: SELF_CHECK,
  backup: BACKUP,
  issueOutcome: ISSUE_OUTCOME,
  rowOutcome: ROW_OUTCOME,
  importedRow: IMPORTED_ROW,
  cleanupOutcome: CLEANUP_OUTCOME,
  dockerSize: DOCKER_SIZE,
  account: ACCOUNT,
  claudeFailure: CLAUDE_FAILURE,
  localWorker: LOCAL_WORKER,
};

/** A file of the contract that exists but cannot be used; `message` says what to do about it. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
}

/** Whether a parsed JSON value is an object, and not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
