/**
 * Workers that tell the truth, and the cluster they are in: what each program answers that a command starts. Stateful as far
 * as a command looks again at what it has changed: replicas, image, drain, Secret, release.
 *
 * What a lie is put into is found in these answers. So everything that a real answer may hold should be in one of them once:
 * a field that no answer here has is a field nobody lies in.
 */
import { createHash } from 'node:crypto';
import type { PodObject } from '../../scripts/lib/transport/pods.ts';
import type { RowRequest } from '../../scripts/lib/unstick/queue-change.ts';
import { IMAGE, pod, running, waiting } from '../transport/cluster.ts';
import { archive, frame, json, type PartOf, type Reply, text } from './reply.ts';
import { tarOf } from './tar.ts';

export const NOW = new Date('2026-03-02T12:00:00Z');
const SECONDS = NOW.getTime() / 1000;
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();

export const NEW_IMAGE = `registry.example.com/factory-worker@sha256:${'2'.repeat(64)}`;

/**
 * - `busy` a stage runs, and rows of every state are in the queue
 * - `stuck` its pipeline is blocked, the loop is dead, somebody else has drained it, disks are full, Docker is down
 * - `blocked` its pipeline is blocked, and nothing else is wrong
 * - `rest` nothing is queued, nothing runs
 * - `down` its pod cannot start: the image cannot be pulled
 * - `stopped` scaled to none
 * - `absent` nothing of it is in the cluster yet
 */
export type Scene = 'busy' | 'stuck' | 'blocked' | 'rest' | 'down' | 'stopped' | 'absent';

/** One worker and what has been done to it so far. */
export interface State {
  readonly name: string;
  scene: Scene;
  replicas: number;
  /** Memory limits of the pod, of its ReplicaSet, and of the Deployment, which an upgrade of the release sets. */
  limits: { readonly pod: string; readonly replicaset: string; readonly release: string };
  image: string;
  uid: string;
  drained: boolean;
  /** A pod that is on its way out, and how many more looks find it. */
  leaving: { readonly pod: PodObject; looks: number } | null;
  /** What the Secret has, by key. */
  secret: Record<string, string>;
  /** What was deleted, as `kind/name`. */
  readonly gone: Set<string>;
  /** What the namespace was labelled with. */
  readonly labels: Record<string, string>;
  uninstalled: boolean;
}

export function stateOf(name: string, scene: Scene): State {
  return {
    name,
    scene,
    replicas: scene === 'stopped' || scene === 'absent' ? 0 : 1,
    limits: { pod: '4Gi', replicaset: '4Gi', release: '4Gi' },
    image: IMAGE,
    uid: 'uid-1',
    drained: scene === 'stuck',
    leaving: null,
    secret: { CLAUDE_CODE_OAUTH_TOKEN: 'old-claude', GH_TOKEN: 'old-gh', GH_USER: 'bot' },
    gone: new Set(),
    labels: scene === 'stuck' ? { 'pod-security.kubernetes.io/enforce': 'baseline' } : {},
    uninstalled: false,
  };
}

// --- inside ---------------------------------------------------------------------------------------------------------

const lines = (...all: string[]) => all.join('\n');
const objects = (...all: object[]) => lines(...all.map((value) => JSON.stringify(value)));
const row = (...cells: (string | number)[]) => cells.join('\t');

function sessions({ scene }: State): string {
  const at = (seconds: number) => SECONDS - seconds;
  const orchestrator = row('orchestrator', at(5), at(9000), 0, 0, '');
  if (scene === 'rest') return orchestrator;
  return lines(
    row('23-qa-1', at(scene === 'stuck' ? 900 : 12), at(600), 1, 0, ''),
    orchestrator,
    row('22-implement-1', at(4000), at(8000), 0, 1, '3'),
    row('notes', at(300), at(8000), 0, 0, ''),
  );
}

function boot({ scene }: State): string {
  return JSON.stringify({
    schema: 1,
    bootId: 'boot-1',
    podUid: 'uid-1',
    image: IMAGE,
    startedAt: ago(9000),
    finishedAt: ago(8990),
    phases: [
      { name: 'tmux', status: 'ok', startedAt: ago(9000), ms: 120, message: '' },
      {
        name: 'docker',
        status: scene === 'stuck' ? 'failed' : 'ok',
        startedAt: ago(9000),
        ms: 2100,
        message: 'dockerd 26.1',
      },
      {
        name: 'clones',
        status: scene === 'stuck' ? 'missing' : 'ok',
        startedAt: ago(8999),
        ms: 900,
        message: 'demo is there',
      },
    ],
  });
}

function heartbeat({ scene, drained }: State): string {
  const atRest = drained && scene === 'rest';
  return JSON.stringify({
    schema: 1,
    state: atRest ? 'drained' : scene === 'busy' ? 'checking-in' : scene === 'stuck' ? 'refused' : 'waiting',
    reason: scene === 'stuck' ? 'gh is not on PATH' : null,
    pid: 77,
    project: 'demo',
    startedAt: ago(20),
    finishedAt: scene === 'busy' ? null : ago(10),
    intervalSeconds: 30,
    actions: [
      { issue: 23, action: 'skip', stage: 'qa', session: '23-qa-1', message: 'the session is active' },
    ],
    clones: [
      {
        project: 'demo',
        cause: 'set-aside',
        text: "1 commit of its main checkout that origin does not have: set aside, in no issue's branch",
        said: '',
        subject: 'refs/factory-worker/set-aside/main/20260302T120000Z',
        since: ago(900),
        holds: false,
      },
    ],
  });
}

function drainFile(): string {
  return JSON.stringify({
    schema: 1,
    by: 'ann',
    host: 'laptop',
    since: ago(600),
    reason: 'node upgrade',
    release: null,
  });
}

function queue({ scene }: State): string {
  if (scene === 'rest') return 'null';
  const at = (issue: number, Status: string, Position: number, DependsOn: number[] | null = null) => ({
    ID: issue,
    Issue: issue,
    Status,
    Position,
    FeatureIntent: `what ${issue} is for`,
    AddedAt: '2026-03-02 10:00:00',
    StartedAt: '',
    FinishedAt: '',
    Project: 'demo',
    Namespace: 'acme/demo',
    ConfigPath: '/root/.factory/repos/demo/pipeline.yaml',
    DependsOn,
  });
  return JSON.stringify([
    at(23, 'active', 1, [22]),
    at(24, 'pending', 2),
    at(22, 'completed', 3),
    at(21, 'failed', 4),
    at(25, 'pending', 5),
  ]);
}

function pipelines({ scene }: State): string {
  if (scene === 'rest') return 'null';
  const status = scene === 'stuck' || scene === 'blocked' ? 'blocked' : 'in_progress';
  return JSON.stringify([
    {
      issue: 23,
      title: 'Log in with a passkey',
      status,
      stage: 'qa',
      attempt: 1,
      session: '23-qa-1',
      session_state: 'active',
      branch: 'feature/issue-23',
    },
    {
      issue: 22,
      title: 'Before',
      status: 'completed',
      stage: 'merge',
      attempt: 1,
      session: '',
      session_state: '',
      branch: 'feature/issue-22',
    },
    {
      issue: 31,
      title: 'Stray',
      status: 'pending',
      stage: 'plan',
      attempt: 1,
      session: '31-plan-1',
      session_state: 'exited',
      branch: '',
    },
  ]);
}

const DIALECT = `postgres=0
Add issues to the queue

Usage:
  factory queue add <issue>... [flags]

Flags:
      --config string       Path to the project's pipeline.yaml (required)
      --depends-on string   Comma-separated issue numbers to wait for
  -h, --help                help for add
      --intent string       Feature intent
`;

const df = (mount: string, percent: number) =>
  lines(
    'Filesystem 1-blocks Used Available Capacity Mounted on',
    `/dev/vda ${100 * 2 ** 30} ${percent * 2 ** 30} ${(100 - percent) * 2 ** 30} ${percent}% ${mount}`,
  );

const full = ({ scene }: State) => (scene === 'stuck' ? 96 : 40);

function probe(state: State, scope: string | undefined): Record<string, PartOf | string | undefined> {
  const { scene } = state;
  return {
    queue: queue(state),
    pipelines: pipelines(state),
    clock: `${SECONDS}.25`,
    'repos-dir': '/root/.factory/repos',
    sessions: sessions(state),
    boot: boot(state),
    heartbeat: heartbeat(state),
    ...(state.drained ? { drain: drainFile() } : {}),
    locks: lines(
      `boot=${scene === 'stuck' ? 'free' : 'held'}`,
      `check-in=${scene === 'busy' ? 'held' : 'free'}`,
    ),
    dispatches: JSON.stringify({ issue: 31, project: 'demo', at: ago(900), by: 'ann@laptop' }),
    repairs:
      scene === 'rest'
        ? undefined
        : lines(
            JSON.stringify({
              at: ago(300),
              issue: 23,
              stage: 'qa',
              attempt: 1,
              session: '23-qa-1',
              action: 'advance',
              cure: '',
            }),
            JSON.stringify({
              at: ago(200),
              issue: 23,
              stage: 'qa',
              attempt: 1,
              session: '23-qa-1',
              action: 'give-up',
              cure: 'factory pipeline retry 23',
            }),
          ),
    clones: lines(
      row('demo', 'https://github.com/acme/demo.git'),
      row('other', 'git@github.com:acme/other.git'),
    ),
    ...(scope === 'full' ? { dialect: DIALECT, disk: df('/root/.factory', full(state)) } : {}),
  };
}

const PANE = lines('tests pass', '> What next?', '❯ 1. Yes', '  2. No', 'Do you want to proceed?');

function panes({ scene }: State): Record<string, string> {
  if (scene === 'rest') return {};
  return {
    'pane.0': lines(row('23-qa-1', 'claude', 0), PANE),
    'pane.1': lines(row('orchestrator', 'tail', 0), 'check-in: demo #23 skip'),
  };
}

const human = (state: State) =>
  state.scene === 'rest' ? {} : { 'human.0': lines('23-qa-1', 'State: human_input', 'Human: true') };

const dockerDf = lines(
  JSON.stringify({ Type: 'Images', TotalCount: '4', Active: '1', Size: '2.5GB', Reclaimable: '1.5GB (60%)' }),
  JSON.stringify({ Type: 'Build Cache', TotalCount: '40', Active: '0', Size: '3GB', Reclaimable: '3GB' }),
);

const memory = lines('pod 1 1073741824 4294967296 1048576', 'docker 0 536870912 2147483648 0');

const LOG = lines('check-in 1: demo #23 skip', 'check-in 2: demo #23 advance', '');

const shortHash = (value: string) => createHash('sha256').update(value).digest('hex').slice(0, 8);

/** What the backup of a worker is made of, on its volume and in the operator's file. */
export const SAVED = {
  state: 'database=sqlite\nschema=7\nrows=4\nnewest=24\nintegrity=ok\n',
  'factory.db': 'rows',
  'pipelines/23/pipeline.json': '{}',
  'clones/list': lines(
    'clone\tdemo\thttps://github.com/acme/demo.git',
    'clone\tfresh\thttps://github.com/acme/fresh.git',
    '',
  ),
};
const ARCHIVE = tarOf(SAVED, { gzip: true });

const FOLDER = '/root/.factory/worker/backups';

function backedUp(id: string): string {
  return JSON.stringify({
    file: `${FOLDER}/${id}.tar.gz`,
    bytes: ARCHIVE.length,
    sha256: createHash('sha256').update(ARCHIVE).digest('hex'),
    database: 'sqlite',
    schema: 7,
    rows: 4,
    newest: 24,
    integrity: 'ok',
  });
}

const BUILD = {
  revision: 'abc123',
  platform: 'linux/amd64',
  factory: { sha256: 'f'.repeat(64), version: 'dev' },
  supervisor: { sha256: 'e'.repeat(64) },
};

const IMPORTED = objects(...[21, 22, 23, 24].map((issue) => ({ issue, project: 'demo', fate: 'add' })), {
  issue: 25,
  project: 'demo',
  fate: 'waits',
});
const DATABASE = lines('database=sqlite', 'schema=7', 'rows=4', 'newest=24', 'integrity=ok');

function facts({ scene }: State): string {
  const fact = (name: string, value: string | number) => row(name, value);
  const sick = scene === 'stuck';
  return lines(
    fact('cgroup.version', 2),
    fact('cgroup.handed-down', 'cpu memory pids'),
    fact('cgroup.own', '/init'),
    fact(
      'disk.state',
      `/root/.factory ${full({ scene } as State) * 2 ** 30} ${10 * 2 ** 30} ${sick ? 1 : 80}`,
    ),
    fact('disk.docker', `/var/lib/docker ${50 * 2 ** 30} ${10 * 2 ** 30} 60`),
    fact('disk.tmp', `/tmp ${50 * 2 ** 30} ${10 * 2 ** 30} 60`),
    fact('inotify.max_user_instances', sick ? 128 : 8192),
    fact('inotify.max_user_watches', 524288),
    fact('inotify.writable', 'yes'),
    fact('programs.missing', sick ? 'gh jq' : ''),
    fact('programs.noexec', sick ? '/tmp' : ''),
    fact('docker.wanted', 'yes'),
    ...(sick ? [fact('docker.error', 'Cannot connect to the Docker daemon')] : []),
    fact('docker.info', '26.1.5 overlay2 cgroupfs 2'),
    fact('docker.on', 'ext2/ext3'),
    fact('iptables.version', 'iptables v1.8.9 (nf_tables)'),
    fact('iptables.docker-rules', 'yes'),
    fact('mtu.pod', 1450),
    fact('mtu.docker0', sick ? 1500 : 1450),
    fact('run.milliseconds', 800),
    fact('mtu.compose', 1450),
    fact('run.cgroup', '/docker/abc'),
  );
}

type Script = (state: State, args: readonly string[]) => Reply;

/** A dialog, as claude draws one. */
const QUESTION = lines(
  '────────────────────────────────────────',
  ' ☐ Colour',
  'Which colour?',
  '',
  '❯ 1. Red',
  '  2. Blue',
  '  3. Type something.',
  '',
  'Enter to select · ↑/↓ to navigate · Esc to cancel',
);

/** The parts of `look`. */
const LOOKS: Readonly<Record<string, (state: State) => Record<string, PartOf | string | undefined>>> = {
  brief: (state) => probe(state, 'brief'),
  full: (state) => probe(state, 'full'),
  clock: () => ({ clock: `${SECONDS}` }),
  sessions: (state) => ({ sessions: sessions(state) }),
  recordings: () => ({ recordings: lines('23-qa-1', '22-implement-1') }),
  memory: () => ({ memory }),
  panes,
  'all-panes': () => ({ 'pane.0': `23-qa-1\tclaude\t0\n${QUESTION}` }),
  humans: human,
};

/** Each script of `scripts/remote` that is framed, and those of `cp`, which are not. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  look: (state, parts) => frame(Object.assign({}, ...parts.map((part) => LOOKS[part]?.(state)))),
  why: (state) =>
    frame({
      ...probe(state, 'full'),
      ...panes(state),
      ...human(state),
      'lone-shells': '23-qa-1',
      'in-the-way': '24\tthe worktree /w/issue-24 is locked\t',
      failures: lines('12:00:01 #23 fail: the tests do not pass', '12:00:02 #24 escalate: no agent'),
      ...(state.scene === 'stuck'
        ? {
            docker: { rc: 1, text: '' },
            'docker.error': { rc: 1, text: 'Cannot connect to the Docker daemon' },
          }
        : {
            docker: lines('driver=overlay2', 'version=26.1', 'root=/var/lib/docker'),
            'docker-networks': lines('pod 1450', 'demo_default 1500'),
          }),
      memory,
      disks: lines(
        `/dev/vdb ${10 ** 11} ${9.6 * 10 ** 10} ${4 * 10 ** 9} 96% /var/lib/docker`,
        `/dev/vdc ${10 ** 11} ${10 ** 10} ${9 * 10 ** 10} 10% /tmp`,
      ),
      oom: 'oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/kubepods/pod/docker,task_memcg=/a,task=node,pid=7,uid=0',
    }),
  peek: (state) => frame({ clock: `${SECONDS}`, sessions: sessions(state), name: '23-qa-1', pane: PANE }),
  send: () => frame({ typed: '' }),
  answer: () => frame({ pressed: '', pane: '● Answered: Blue\n' }),
  logs: (_, [request = '{}']) =>
    frame({
      ...((JSON.parse(request) as { kind?: string }).kind === 'session' ? { going: 'no' } : {}),
      file: '/root/.factory/worker/logs/orchestrator.log',
      piece: `12-34 0 ${Buffer.byteLength(LOG)} `,
      data: Buffer.from(LOG).toString('base64'),
    }),
  dispatch: (state) =>
    frame({
      project: '/root/.factory/repos/demo/pipeline.yaml',
      dialect: DIALECT,
      outcomes: objects(
        { issue: 40, outcome: 'queued', detail: '' },
        { issue: 41, outcome: 'other-project', detail: 'other' },
        { issue: 42, outcome: 'failed', detail: 'no such issue' },
      ),
      ...probe(state, 'brief'),
    }),
  'dispatch-withdraw': (state) =>
    frame({ outcomes: objects({ issue: 40, outcome: 'queued', detail: '' }), ...probe(state, 'brief') }),
  clone: (state) =>
    frame({
      clone: 'ready',
      clones: lines(row('demo', 'u'), row('fresh', 'https://github.com/acme/fresh.git')),
      boot: boot(state),
    }),
  projects: (state) =>
    frame({
      ...probe(state, 'brief'),
      configured: row('demo', 'acme/demo'),
      requested: row('fresh', 'acme/fresh'),
    }),
  'projects-remove': () => frame({ removed: 'yes' }),
  queue: (state, [request = '{"issues":[]}']) => {
    const { issues } = JSON.parse(request) as RowRequest;
    const outcomes = objects(...issues.map((issue) => ({ issue, ok: true, message: '' })));
    return frame({ outcomes, ...probe(state, 'brief') });
  },
  'queue-move': (state) => frame({ moved: '', ...probe(state, 'brief') }),
  'unstick-look': (state) =>
    frame({ ...probe(state, 'full'), human: lines('State: exited', 'Human: false') }),
  unstick: (state) => frame({ steps: lines('retry', 'advance'), ...probe(state, 'full') }),
  'cleanup-look': (state) =>
    frame({
      ...probe(state, 'brief'),
      worktrees: lines(
        row('demo', 22, 2 * 2 ** 20, 0, 0, 0, '/root/.factory/repos/demo/worktrees/issue-22'),
        row('demo', 23, 3 * 2 ** 20, 1, 2, 0, '/root/.factory/repos/demo/worktrees/issue-23'),
      ),
      recordings: lines(row('22-implement-1', 4096), row('23-qa-1', 2048)),
      docker: dockerDf,
      'docker-images': JSON.stringify({ ID: 'abc', Repository: '<none>', Size: '250MB' }),
    }),
  cleanup: () =>
    frame({
      outcomes: objects(
        { id: 'worktree /root/.factory/repos/demo/worktrees/issue-22', fate: 'done', why: '' },
        { id: 'log 22-implement-1', fate: 'kept', why: 'it is being worked on' },
        { id: 'docker builder', fate: 'failed', why: 'Cannot connect to the Docker daemon' },
      ),
    }),
  usage: (state) =>
    frame({
      disk: df('/root/.factory', full(state)),
      sizes: lines(
        row('worktree', 'demo#22', 2 ** 20),
        row('clone', 'demo', 2 ** 24),
        row('logs', '', 2 ** 20),
        row('backups', '', 2 ** 20),
        row('agents', '', 2 ** 20),
        row('pipelines', '', 2 ** 20),
      ),
      'docker-disk': df('/var/lib/docker', 50),
      memory,
      docker: dockerDf,
    }),
  'port-forward-look': () =>
    frame({
      listening: lines('00000000:0BB8', '0100007F:1538'),
      containers: lines(
        row('demo-web-1', '0.0.0.0:3000->3000/tcp'),
        row('demo-db-1', '0.0.0.0:5432->5432/tcp'),
      ),
    }),
  drain: (state) => {
    const word = state.scene === 'stuck' ? 'held' : state.drained ? 'already' : 'new';
    state.drained = true;
    if (state.scene === 'busy') state.scene = 'rest';
    return frame({ drained: word, ...probe(state, 'brief') });
  },
  resume: (state, [, , , force]) => {
    const held = state.scene === 'stuck' && force !== 'yes';
    const word = held ? 'held' : state.drained ? 'lifted' : 'none';
    const before = probe(state, 'brief');
    if (!held) state.drained = false;
    return frame({ ...before, resumed: word });
  },
  'stop-now': () => frame({ hurried: '' }),
  detach: () => frame({}),
  rotate: (state, [call]) =>
    frame({
      files: lines(...Object.entries(state.secret).map(([key, value]) => row(key, shortHash(value)))),
      next: lines(
        ...['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN'].map((key) => row(key, shortHash(state.secret[key] ?? ''))),
      ),
      processes: lines(
        row(41, 'claude', '23-qa-1', 'CLAUDE_CODE_OAUTH_TOKEN', shortHash('old-claude')),
        row(42, 'gh', '-', 'GH_TOKEN', shortHash('old-gh')),
      ),
      ...(call === 'call' ? { gh: 'HTTP/2.0 200 OK\n\n{"login": "bot"}', claude: 'ok' } : {}),
    }),
  doctor: (state) =>
    frame({ ...probe(state, 'full'), facts: facts(state), clock: `${SECONDS}`, boot: boot(state) }),
  'doctor-fix': () => frame({ raised: '' }),
  'release-facts': (state) =>
    frame({ build: JSON.stringify(BUILD), state: DATABASE, ...probe(state, 'full') }),
  backup: (_, [id = '']) => frame({ backup: backedUp(id) }),
  'backup-chunk': (_, [, offset = '0', length = '0']) => {
    const piece = ARCHIVE.subarray(Number(offset), Number(offset) + Number(length));
    return frame({ chunk: piece.toString('base64') });
  },
  'restore-folder': () => frame({ folder: FOLDER }),
  'restore-unpack': (_, [, how]) =>
    frame({ unpacked: '.taking-over.made-up', ...(how === 'list' && { imported: IMPORTED }) }),
  restore: (state, [, , importRows]) => {
    state.scene = 'rest';
    return frame({
      ...(importRows === 'yes' && { imported: IMPORTED }),
      restored: `${FOLDER}/restored.tar.gz`,
      state: DATABASE,
      notes: lines('demo: issue-23 has its work again', 'other: not cloned'),
    });
  },
  'release-import': (_, [, how]) =>
    frame(how === 'withdraw' ? { withdrawn: '', others: '' } : { imported: IMPORTED, left: '0' }),
  'release-import-undo': () => frame({ restored: '2' }),
  'rollback-restore': () => frame({ restored: `${FOLDER}/saved.tar.gz` }),
  'cp-place': () => frame({ placed: '' }),
  'cp-receive': (_, args) => {
    if (args.includes('look')) return text('NONCE\tplace\t/root/notes.md\treplaced\n');
    return text(
      'NONCE\tready\t/root/.factory-worker-cp.x\t/root/notes.md\nNONCE\tsum\tSHA256\t0\ta file changed\n',
    );
  },
  'cp-send': (_, args) => {
    if (args.includes('look')) return text('', 'NONCE\tplace\t/root/report.md\t9\n');
    return archive(
      { 'report.md': 'a report\n' },
      'NONCE\tsum\tSUM\t1\treport.md: file changed as we read it\n',
    );
  },
};

/** What a script of ours answers in a worker. @throws Error for a script that has no answer here yet */
export function inside(state: State, script: string, args: readonly string[]): Reply {
  const answer = SCRIPTS[script];
  if (answer === undefined) {
    throw new Error(
      `test/hostile/honest.ts has no answer of scripts/remote/${script}.sh: add one to SCRIPTS`,
    );
  }
  return answer(state, args);
}

// --- the cluster ----------------------------------------------------------------------------------------------------

const fullName = (state: State) => `factory-${state.name}`;

/** For the next looks the pod is still there that there was. */
function letGo(state: State): void {
  const [pod] = podsOf(state);
  if (pod === undefined) return;
  const deletionTimestamp = new Date(NOW.getTime() + 3_600_000).toISOString();
  state.leaving = { pod: { ...pod, metadata: { ...pod.metadata, deletionTimestamp } }, looks: 3 };
}

function podsOf(state: State): PodObject[] {
  const { leaving } = state;
  if (leaving !== null && leaving.looks > 0) {
    leaving.looks -= 1;
    return [leaving.pod];
  }
  if (state.replicas === 0) return [];
  const name = fullName(state);
  const status =
    state.scene === 'down' ? waiting('ImagePullBackOff', 'Back-off pulling image "x"', 2) : running();
  const containers = [{ name: 'worker', image: state.image, resources: limited(state.limits.pod) }];
  const statuses = status.containerStatuses?.map((one) => ({ ...one, resources: limited(state.limits.pod) }));
  const made = pod({
    of: name,
    containers,
    status: { ...status, ...(statuses === undefined ? {} : { containerStatuses: statuses }) },
  });
  return [
    {
      ...made,
      metadata: {
        ...made.metadata,
        uid: state.uid,
        annotations: { 'kubectl.kubernetes.io/default-container': 'worker', note: 'an annotation' },
      } as PodObject['metadata'],
    },
  ];
}

const limited = (memory: string) => ({ limits: { memory } });

/** As the Deployment and its ReplicaSet have it. */
function template(state: State, memory: string) {
  const name = fullName(state);
  return {
    metadata: { annotations: { 'kubectl.kubernetes.io/default-container': 'worker' } },
    spec: {
      containers: [
        {
          name: 'worker',
          image: state.image,
          securityContext: { privileged: true },
          resources: limited(memory),
        },
      ],
      volumes: [
        { name: 'secrets', secret: { secretName: `${name}-secrets` } },
        { name: 'state', persistentVolumeClaim: { claimName: `${name}-data` } },
      ],
      imagePullSecrets: [{ name: 'registry' }],
      tolerations: [{ key: 'factory', operator: 'Exists' }],
      nodeSelector: { pool: 'workers' },
    },
  };
}

function deployment(state: State) {
  const name = fullName(state);
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name,
      namespace: 'factory',
      generation: 4,
      managedFields: [{ manager: 'helm', operation: 'Apply', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }],
      labels: {
        'app.kubernetes.io/name': 'factory-worker',
        'app.kubernetes.io/instance': state.name,
        'app.kubernetes.io/managed-by': 'Helm',
      },
      annotations: { 'meta.helm.sh/release-name': state.name, 'meta.helm.sh/release-namespace': 'factory' },
    },
    spec: {
      replicas: state.replicas,
      template: template(state, state.limits.release),
    },
    status: {
      observedGeneration: 4,
      conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }],
    },
  };
}

/** What Helm has in its manifest, as YAML, of which JSON is a part. */
function manifest(state: State, image = state.image, replicas = state.replicas): string {
  const { status: _, ...object } = deployment({ ...state, image, replicas });
  const name = fullName(state);
  const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: `${name}-data` } };
  return [object, claim].map((document) => `---\n${JSON.stringify(document)}\n`).join('');
}

const list = (items: readonly unknown[]) => json({ apiVersion: 'v1', kind: 'List', items });

function secretObject(state: State) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: `${fullName(state)}-secrets`,
      namespace: 'factory',
      resourceVersion: '5',
      labels: { a: 'b' },
      annotations: { c: 'd' },
    },
    type: 'Opaque',
    data: Object.fromEntries(
      Object.entries(state.secret).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    ),
  };
}

function claim(state: State) {
  return {
    metadata: {
      name: `${fullName(state)}-data`,
      creationTimestamp: ago(90_000),
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'helm.sh/resource-policy': 'keep', 'meta.helm.sh/release-name': state.name },
    },
    spec: {
      volumeName: 'pv-1',
      storageClassName: 'fast',
      accessModes: ['ReadWriteOncePod'],
      resources: { requests: { storage: '50Gi' } },
    },
    status: { phase: 'Bound', capacity: { storage: '50Gi' } },
  };
}

function event(state: State) {
  return {
    kind: 'Event',
    metadata: { name: 'event-1' },
    type: 'Warning',
    reason: 'FailedMount',
    message: 'Multi-Attach error for volume',
    lastTimestamp: ago(5),
    count: 3,
    involvedObject: { kind: 'Pod', name: fullName(state) },
  };
}

function node({ scene }: State) {
  return {
    kind: 'Node',
    metadata: { name: 'node-a', labels: { 'kubernetes.io/arch': 'amd64' } },
    spec: { unschedulable: scene === 'stuck', taints: [{ key: 'factory' }] },
    status: {
      conditions: [
        {
          type: 'Ready',
          status: scene === 'stuck' ? 'False' : 'True',
          reason: 'KubeletNotReady',
          message: 'PLEG is not healthy',
        },
        {
          type: 'DiskPressure',
          status: scene === 'stuck' ? 'True' : 'False',
          reason: 'Full',
          message: 'the disk is full',
        },
      ],
      nodeInfo: { architecture: 'amd64', operatingSystem: 'linux' },
    },
  };
}

/** A kubectl get of a worker's cluster. @param rest flags and names after the kind */
function get(state: State, kind: string, rest: readonly string[]): Reply {
  const absent = state.scene === 'absent';
  const output = rest.find((word) => word.startsWith('--output=')) ?? '';
  const [name = ''] = rest.filter((word) => !word.startsWith('-'));
  // Only whether it is there.
  if (output.includes('.deletionTimestamp}'))
    return text(absent || state.gone.has(`${kind.toLowerCase()}/${name}`) ? '' : `${name} `);
  switch (kind) {
    case 'pods':
      return list(podsOf(state));
    case 'pod': {
      if (name.includes('prepull') || name === 'check-1') {
        return json({ ...pod(), metadata: { name }, status: { phase: 'Succeeded' } });
      }
      return json(podsOf(state)[0]);
    }
    case 'deployments,statefulsets':
    case 'deployments':
      return list(absent ? [] : [deployment(state)]);
    case 'deployment':
      return absent ? text() : json(deployment(state));
    case 'replicaset':
      return json({
        kind: 'ReplicaSet',
        metadata: { name },
        spec: { template: template(state, state.limits.replicaset) },
      });
    case 'secret':
      if (output.includes('jsonpath')) return text('Helm\n');
      if (output.includes('.type')) return text('registry kubernetes.io/dockerconfigjson\n');
      if (output.includes('go-template')) {
        return absent && name !== 'registry'
          ? text()
          : text(
              Object.keys(state.secret)
                .map((key) => `${key} 12\n`)
                .join(''),
            );
      }
      return json(secretObject(state));
    case 'namespace':
      return json({
        metadata: {
          name: 'factory',
          labels: state.labels,
        },
      });
    case 'storageclasses':
      return list([
        {
          metadata: { name: 'fast', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
          provisioner: 'csi.example.com',
          reclaimPolicy: 'Delete',
          allowVolumeExpansion: true,
        },
      ]);
    case 'persistentvolumeclaim':
      return absent ? text() : json(claim(state));
    case 'persistentvolume':
      return json({ metadata: { name: 'pv-1' }, spec: { persistentVolumeReclaimPolicy: 'Retain' } });
    case 'nodes':
      return list([node(state)]);
    case 'node':
      return json(node(state));
    case 'pods,persistentvolumeclaims,events': {
      const mounted = { volumes: [{ persistentVolumeClaim: { claimName: `${fullName(state)}-data` } }] };
      const containers = [{ name: 'worker', image: state.image, resources: limited(state.limits.pod) }];
      return list([
        ...podsOf(state).map((one) => ({
          kind: 'Pod',
          ...one,
          spec: { ...one.spec, ...mounted, containers },
        })),
        { kind: 'PersistentVolumeClaim', ...claim(state) },
        event(state),
      ]);
    }
    case 'events':
      return list([event(state)]);
    default:
      throw new Error(`test/hostile/honest.ts has no answer of kubectl get ${kind}: add one to get()`);
  }
}

const RIGHTS = (input: string) =>
  (JSON.parse(input) as { items: object[] }).items
    .map((item) => `${JSON.stringify({ ...item, status: { allowed: true, reason: 'by a Role' } })}\n`)
    .join('');

/** What kubectl answers. @param args its words without the flags that say which cluster; @param input its stdin */
export function kubectl(state: State, args: readonly string[], input: string): Reply {
  const [verb = '', ...rest] = args;
  switch (verb) {
    case 'get':
      return get(state, rest[0] ?? '', rest.slice(1));
    case 'version':
      return json({ clientVersion: { gitVersion: 'v1.34.0' }, serverVersion: { gitVersion: 'v1.34.1' } });
    case 'config':
      return rest[0] === 'view'
        ? json({
            'current-context': 'ctx-worker-1',
            contexts: [{ name: 'ctx-worker-1' }],
            users: [
              { name: 'u', user: { exec: { command: 'bash', args: ['x'], installHint: 'install it' } } },
            ],
          })
        : text('ctx-worker-1\n');
    case 'create':
      if (rest.includes('--dry-run=server')) return text('pod/factory-worker-doctor\n');
      if (rest.includes('--output=name')) return text('pod/check-1\n');
      if (input.includes('SelfSubjectAccessReview')) return text(RIGHTS(input));
      return text(input || '{}');
    case 'label': {
      for (const word of rest) {
        const [key = '', value] = word.split('=');
        if (value !== undefined && !key.startsWith('-')) state.labels[key] = value;
      }
      return text('labelled\n');
    }
    case 'delete': {
      const [kind = '', name = ''] = rest;
      state.gone.add(`${kind.toLowerCase()}/${name}`);
      return text('deleted\n');
    }
    case 'replace': {
      const secret = JSON.parse(input) as { data: Record<string, string> };
      state.secret = Object.fromEntries(
        Object.entries(secret.data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
      );
      return json(secretObject(state));
    }
    case 'logs':
      return text(
        rest.includes('--container=check')
          ? `ok: tmux\nRESULT ${JSON.stringify({ build: BUILD, schema: 7, postgres: false, help: DIALECT })}\n`
          : 'boot: tmux ok\nboot: docker ok\n',
      );
    case 'port-forward':
      return text('Forwarding from 127.0.0.1:3000 -> 3000\n');
    case 'rollout':
      letGo(state);
      state.uid = 'uid-2';
      return text('restarted\n');
    // Of what is given the terminal nothing comes through here.
    case 'exec':
      return text();
    case 'patch': {
      const limit = /"limits":\{"memory":"(\w+)"/.exec(args.join(' '))?.[1];
      if (limit !== undefined && !args.includes('--dry-run=server'))
        state.limits = { ...state.limits, [rest[0] ?? '']: limit };
      return text('patched\n');
    }
    case 'annotate':
    case 'wait':
    case 'apply':
    case 'scale':
    case 'set':
      return text(`${verb}d\n`);
    default:
      throw new Error(`test/hostile/honest.ts has no answer of kubectl ${verb}: add one to kubectl()`);
  }
}

/** What Helm answers. */
export function helm(state: State, args: readonly string[]): Reply {
  const [verb = '', what = ''] = args;
  const revision = (number: number, status: string, description: string) => ({
    revision: number,
    updated: ago(9000 - number),
    status,
    chart: 'factory-worker-0.1.0',
    app_version: '0.1.0',
    description,
  });
  const set = (key: string) => args.find((word) => word.includes(`${key}=`))?.split(`${key}=`)[1];
  const digest = set('image.digest');
  const image = digest === undefined ? state.image : `registry.example.com/factory-worker@${digest}`;
  const replicas = Number(set('replicas') ?? state.replicas);
  switch (verb) {
    case 'version':
      return text('v3.18.0');
    case 'status':
      return state.scene === 'absent' || state.uninstalled
        ? text('', 'Error: release: not found\n', 1)
        : json({
            name: state.name,
            version: 3,
            info: { status: 'deployed', last_deployed: ago(9000), description: 'Upgrade complete' },
          });
    case 'history':
      return json([
        revision(2, 'superseded', 'Install complete'),
        revision(3, 'deployed', 'Upgrade complete'),
      ]);
    case 'get':
      if (what === 'values')
        return json({ replicas: 1, image: { repository: 'registry.example.com/factory-worker' } });
      return text(manifest(state, args.includes('--revision=2') ? NEW_IMAGE : state.image));
    case 'template':
      return text(manifest(state, state.image, 1));
    case 'install':
      if (args.includes('--dry-run=server')) return json({ manifest: manifest(state, image, 1) });
      Object.assign(state, { scene: 'rest', replicas: 1 });
      return text('installed\n');
    case 'upgrade':
      if (args.includes('--dry-run=server')) return json({ manifest: manifest(state, image, replicas) });
      if (args.includes('--description=resize')) {
        state.limits = { ...state.limits, release: set('resources.limits.memory') ?? state.limits.release };
        return text('upgraded\n');
      }
      letGo(state);
      if (image !== state.image) state.uid = 'uid-2';
      Object.assign(state, { image, replicas });
      if (replicas === 1 && state.scene === 'stopped') state.scene = 'rest';
      return text('upgraded\n');
    case 'rollback':
      letGo(state);
      Object.assign(state, { image: NEW_IMAGE, uid: 'uid-2' });
      return text('Rollback was a success\n');
    case 'uninstall':
      letGo(state);
      Object.assign(state, { replicas: 0, uninstalled: true });
      state.gone.add(`deployment/${fullName(state)}`);
      return text('uninstalled\n');
    default:
      throw new Error(`test/hostile/honest.ts has no answer of helm ${verb}: add one to helm()`);
  }
}
