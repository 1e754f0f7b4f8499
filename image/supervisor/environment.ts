/** What the supervisor reads from its environment, and the environment of its children. */
import { join } from 'node:path';
import { FILES, type WorkerDirs } from '../../scripts/lib/contract.ts';

/** Absolute paths of the contract's files. */
export type Paths = Readonly<Record<keyof typeof FILES | 'checkInOutput' | 'paneCheck', string>>;

export interface Environment {
  readonly dirs: WorkerDirs;
  readonly paths: Paths;
  readonly name: string;
  readonly home: string;
  readonly path: string;
  /** Where tmux keeps its socket; null means its own default, which only a pod may use. */
  readonly tmuxDir: string | null;
  /** The folder of our scripts that other programs call. */
  readonly libDir: string;
  /** Where claude keeps its state. */
  readonly claudeDir: string;
  readonly image: string | null;
  readonly podUid: string | null;
  /** The Secret behind WORKER_SECRETS_DIR; null when the credentials are the user's own files. */
  readonly secret: { readonly name: string; readonly namespace: string } | null;
  readonly podName: string | null;
  /** The node of a pod, else this machine. */
  readonly host: string;
  /** This is the supervisor of a pod: the steps that change the machine are allowed, and only then. */
  readonly pod: boolean;
  readonly database: {
    /** FACTORY_DATABASE: which database the worker is to have; empty when the supervisor may choose. */
    readonly wish: string;
    /** The operator's DATABASE_URL where it is in the environment; the Secret may have one, too. */
    readonly url: string | null;
  };
  /** The environment of every child. */
  readonly child: Readonly<Record<string, string>>;
}

const DIRECTORIES = [
  'WORKER_CONFIG_DIR',
  'WORKER_SECRETS_DIR',
  'WORKER_RUN_DIR',
  'WORKER_STATE_DIR',
  'WORKER_REPOS_DIR',
] as const;

/**
 * @param parentPid the supervisor's parent: PID 1 (the image's init) in a pod, another one on a machine where
 *   WORKER_RUNTIME=pod was merely set
 * @param hostname of this machine; in a pod it is the pod's own
 * @throws Error naming every variable that is missing
 */
export function readEnvironment(env: NodeJS.ProcessEnv, parentPid: number, hostname: string): Environment {
  const pod = env['WORKER_RUNTIME'] === 'pod' && parentPid === 1;
  const required = ['HOME', 'PATH', 'WORKER_NAME', ...DIRECTORIES, ...(pod ? [] : ['TMUX_TMPDIR'])];
  const missing = required.filter((name) => !env[name]);
  if (missing.length > 0) {
    throw new Error(
      `${missing.join(', ')} not set: the supervisor is started by the image or by scripts/local.ts, not by hand`,
    );
  }
  const value = (name: string) => env[name] ?? '';
  const dirs = Object.fromEntries(DIRECTORIES.map((name) => [name, value(name)])) as unknown as WorkerDirs;
  return {
    dirs,
    paths: pathsOf(dirs),
    name: value('WORKER_NAME'),
    home: value('HOME'),
    path: value('PATH'),
    tmuxDir: env['TMUX_TMPDIR'] || null,
    libDir: env['WORKER_LIB_DIR'] || '/usr/local/lib/factory-worker/lib',
    claudeDir: env['CLAUDE_CONFIG_DIR'] || join(value('HOME'), '.claude'),
    image: env['WORKER_IMAGE'] || null,
    podUid: env['WORKER_POD_UID'] || null,
    secret: secretOf(env),
    podName: env['WORKER_POD_NAME'] || null,
    host: env['WORKER_NODE_NAME'] || hostname,
    pod,
    database: { wish: env['FACTORY_DATABASE'] ?? '', url: env['DATABASE_URL'] || null },
    child: childEnvironment(env),
  };
}

function secretOf(env: NodeJS.ProcessEnv): Environment['secret'] {
  const { WORKER_SECRET_NAME: name, WORKER_NAMESPACE: namespace } = env;
  return name && namespace ? { name, namespace } : null;
}

function pathsOf(dirs: WorkerDirs): Paths {
  const run = (name: string) => join(dirs.WORKER_RUN_DIR, name);
  const state = (name: string) => join(dirs.WORKER_STATE_DIR, name);
  const config = (name: string) => join(dirs.WORKER_CONFIG_DIR, name);
  return {
    boot: run(FILES.boot),
    bootLog: run(FILES.bootLog),
    heartbeat: run(FILES.heartbeat),
    alive: run(FILES.alive),
    databaseUrl: run(FILES.databaseUrl),
    checkInOutput: run('check-in.out'),
    paneCheck: run('pane-check'),
    bootLock: state(FILES.bootLock),
    drain: state(FILES.drain),
    dispatches: state(FILES.dispatches),
    repairs: state(FILES.repairs),
    taken: state(FILES.taken),
    claudeFailures: state(FILES.claudeFailures),
    account: state(FILES.account),
    attaches: state(FILES.attaches),
    requestedProjects: state(FILES.requestedProjects),
    checkInLock: state(FILES.checkInLock),
    queueLock: state(FILES.queueLock),
    orchestratorLog: state(FILES.orchestratorLog),
    projects: config(FILES.projects),
    settings: config(FILES.settings),
  };
}

/** What must not reach panes, tmux and factory: `factory` types a token into the pane when it finds one here. */
const SCRUBBED = [
  /^TMUX(_PANE)?$/,
  /^(FACTORY|GH|GITHUB|ANTHROPIC|CLAUDE|GIT|SSH|KUBERNETES|NODE|TSX|npm)_/,
  /^CLAUDECODE$/,
  /(TOKEN|SECRET|PASSWORD|PASSWD|PRIVATE_KEY|API_KEY)(_|$)/,
];

/** Exceptions: paths, including certificate bundles; no secrets. */
const KEPT = new Set(['CLAUDE_CONFIG_DIR', 'GIT_SSL_CAINFO', 'NODE_EXTRA_CA_CERTS', 'WORKER_SECRETS_DIR']);

/**
 * The children's environment: ours without tokens and without variables that would redirect git, gh, tmux or factory. It
 * contains our PATH twice, since a pane's login shell begins by resetting PATH (image/etc/profile.d/worker-path.sh).
 */
export function childEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const child: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (KEPT.has(name) || !SCRUBBED.some((pattern) => pattern.test(name))) child[name] = value;
  }
  if (env['PATH']) child['WORKER_PATH'] = env['PATH'];
  return child;
}
