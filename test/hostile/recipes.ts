/**
 * How each command is typed so that it asks a worker all it ever asks. A command that is not in here has no cell in the table,
 * and the test says what to add.
 */

import { packageRoot } from '../../scripts/lib/cli/version.ts';
import type { Scene } from './honest.ts';
import { SAVED } from './honest.ts';
import { OWN_SECRET } from './lies.ts';

export interface Recipe {
  readonly argv: readonly string[];
  /** How worker-1 is, the one that lies; `busy` unless told otherwise. */
  readonly scene?: Scene;
  /** What the command ends with when nobody lies; 0 unless told otherwise. */
  readonly code?: number;
  /** How worker-2 is, which does not lie: there where a command looks at several. */
  readonly second?: Scene;
  /** How worker-1 is, of `workers.yaml`: in a cluster, on this machine, or not there. */
  readonly entered?: 'cluster' | 'local' | 'none';
  /** Files in the operator's home, by their path; an archive by what is in it. */
  readonly files?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  /** Which of those files a worker can have written into, directly or by what was recorded of it. */
  readonly told?: readonly string[];
  /** Which fields of those, where the rest is this machine's own. */
  readonly toldFields?: RegExp;
  /** Which of them come only when something was started that outlives the command. */
  readonly appear?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly terminal?: boolean;
  /** It goes on until Ctrl-C. */
  readonly endless?: boolean;
  /** The exit codes of what it gives the terminal to, one after the other; they may be its own. */
  readonly remoteCodes?: readonly number[];
  /** Told over this transport alone. */
  readonly transport?: 'kubectl';
  /** A script whose first answer gets lost on the way. */
  readonly lost?: string;
  /** It was told {@link OWN_SECRET}, which must not show up anywhere. */
  readonly knowsSecret?: boolean;
}

const NOTES = { 'notes.md': 'some notes\n' };

const RECORD = {
  schema: 1,
  id: '20260301-120000-worker-1',
  kind: 'rollout',
  worker: { name: 'worker-1', context: 'ctx-worker-1', namespace: 'factory', pod: 'factory-worker-1' },
  by: 'ann@laptop',
  replaces: null,
  pid: 0,
  startedAt: '2026-03-01T12:00:00Z',
  finishedAt: '2026-03-01T12:05:00Z',
  image: `registry.example.com/factory-worker@sha256:${'2'.repeat(64)}`,
  previous: { image: 'registry.example.com/factory-worker@sha256:1111', revision: 2, podUid: 'uid-0' },
  state: 'rolled-back',
  step: 'health',
  done: ['prepull', 'drain', 'backup', 'roll', 'wait'],
  backup: {
    file: '/root/x.tar.gz',
    bytes: 10,
    sha256: 'a',
    database: 'sqlite',
    schema: 7,
    rows: 4,
    newest: 24,
    integrity: 'ok',
    copy: '/tmp/x',
  },
  migration: false,
  build: { revision: 'abc' },
  seconds: { drain: 3, roll: 2 },
  why: 'the pod does not stay up. It said: panic',
};
const SECOND = {
  ...RECORD,
  id: '20260301-130000-worker-2',
  worker: { name: 'worker-2', context: 'ctx-worker-2', namespace: 'factory', pod: 'factory-worker-2' },
  state: 'done',
  why: null,
};
const RECORDS = '.local/state/factory-worker/releases';
const releasesFiles = {
  [`${RECORDS}/${RECORD.id}.json`]: JSON.stringify(RECORD),
  [`${RECORDS}/${SECOND.id}.json`]: JSON.stringify(SECOND),
};
/** The release that brought the image of now has migrated the state. */
const MIGRATED = {
  [`${RECORDS}/${RECORD.id}.json`]: JSON.stringify({
    ...RECORD,
    state: 'done',
    image: RECORD.previous.image,
    migration: true,
    why: null,
  }),
};
/** The same, and it has imported the rows of the former database. */
const IMPORTED = {
  [`${RECORDS}/${RECORD.id}.json`]: JSON.stringify({
    ...RECORD,
    state: 'done',
    done: [...RECORD.done, 'import'],
    image: RECORD.previous.image,
    migration: true,
    imports: RECORD.id,
    imported: { added: 2, goesOn: ['demo#23'], waits: [] },
    why: null,
  }),
};
const releasesTold = [`${RECORDS}/${RECORD.id}.json`];

const SECRETS = {
  env: { GH_TOKEN: OWN_SECRET, GH_USER: 'bot', CLAUDE_CODE_OAUTH_TOKEN: `${OWN_SECRET}.2` },
  knowsSecret: true,
};

/** The folder of a worker on this machine, as its supervisor leaves it. */
const localFiles = (boot: object = {}) => ({
  'local/worker.json': JSON.stringify({
    schema: 1,
    name: 'worker-1',
    env: { PATH: `${packageRoot()}/examples/bin:/usr/bin:/bin` },
  }),
  'local/home/.factory/worker/boot.lock': '{"pid": 1}',
  'local/home/.factory/worker/logs/supervisor.log': 'booting\n',
  'local/run/boot.json': JSON.stringify({
    schema: 1,
    bootId: 'b',
    podUid: null,
    image: null,
    startedAt: '2026-03-02T11:00:00Z',
    finishedAt: '2026-03-02T11:00:05Z',
    phases: [{ name: 'tmux', status: 'ok', startedAt: '2026-03-02T11:00:00Z', ms: 100, message: 'there' }],
    ...boot,
  }),
  'local/run/heartbeat.json': JSON.stringify({
    schema: 1,
    state: 'waiting',
    reason: null,
    pid: 1,
    project: 'demo',
    startedAt: 'x',
    finishedAt: null,
    intervalSeconds: 30,
    actions: [],
  }),
});
const localTold = ['local/run/boot.json', 'local/run/heartbeat.json', 'local/worker.json'];

/** The same before anything of it runs: nobody holds the boot lock. */
const { 'local/home/.factory/worker/boot.lock': _, ...STARTING } = localFiles();
const FAILING = localFiles({
  finishedAt: null,
  phases: [
    { name: 'tmux', status: 'failed', startedAt: '2026-03-02T11:00:00Z', ms: 100, message: 'no tmux' },
  ],
})['local/run/boot.json'];

const WEBHOOK = { '.factory/webhook': 'https://chat.example.com/hook\n' };

/** The same in each format. */
const each = (
  argv: readonly string[],
  formats: readonly string[],
  more: Omit<Recipe, 'argv'> = {},
): Recipe[] => formats.map((format) => ({ argv: format === '' ? argv : [...argv, '-o', format], ...more }));

const TEXT_AND_JSON = ['', 'json'];
const two = { second: 'busy' } as const;
const digest = `registry.example.com/factory-worker@sha256:${'2'.repeat(64)}`;

export const RECIPES: Readonly<Record<string, readonly Recipe[]>> = {
  // Its rounds do not wait for answers: on the clock of these tests it is over before a proxy has started.
  ui: [{ argv: ['ui'], terminal: true, endless: true, transport: 'kubectl', ...two }],
  list: [
    ...each(['list'], ['', 'wide', 'json', 'yaml'], two),
    { argv: ['list', '-o', 'name'], ...two },
    { argv: ['list', '-o', 'wide'], scene: 'stuck', ...two },
    { argv: ['list'], scene: 'down', ...two },
    { argv: ['list'], scene: 'stopped', ...two },
    { argv: ['list'], terminal: true, ...two },
    { argv: ['list', '--watch'], terminal: true, endless: true, ...two },
    { argv: ['list', '--watch', '-o', 'json'], endless: true, ...two },
    { argv: ['list', '-o', 'wide'], entered: 'local', files: localFiles(), told: localTold, ...two },
  ],
  status: [
    ...each(['status', 'worker-1'], TEXT_AND_JSON),
    ...each(['status', 'worker-1'], TEXT_AND_JSON, { scene: 'stuck' }),
    { argv: ['status', 'worker-1'], scene: 'down' },
    { argv: ['status', 'worker-1', '--watch'], terminal: true, endless: true },
  ],
  why: [
    ...each(['why', 'worker-1'], ['', 'json', 'yaml']),
    ...each(['why', 'worker-1'], TEXT_AND_JSON, { scene: 'stuck' }),
    { argv: ['why', 'worker-1'], scene: 'down' },
  ],
  usage: [...each(['usage'], TEXT_AND_JSON, two), { argv: ['usage', 'worker-1'] }],
  watch: [
    ...each(['watch'], ['', 'json', 'yaml'], { scene: 'stuck', endless: true, ...two }),
    {
      argv: ['watch', '--webhook', '~/.factory/webhook'],
      scene: 'stuck',
      files: WEBHOOK,
      endless: true,
      ...two,
    },
    { argv: ['watch', '--webhook', '~/.factory/webhook'], files: WEBHOOK, endless: true, ...two },
  ],
  dispatch: [
    ...each(['dispatch', 'worker-1', '-p', 'demo', '-i', '40,41,42'], TEXT_AND_JSON, { code: 1 }),
    { argv: ['dispatch', 'auto', '-p', 'demo', '-i', '40'], ...two, code: 1 },
    { argv: ['dispatch', 'worker-1', '--clone', 'acme/fresh', '-i', '40'], code: 1 },
    { argv: ['dispatch', 'worker-1', '-p', 'demo', '-i', '40', '--dry-run'], code: 1 },
    { argv: ['dispatch', 'worker-1', '-p', 'demo', '-i', '40,44'], lost: 'dispatch', code: 1 },
  ],
  queue: [
    ...each(['queue', 'worker-1'], TEXT_AND_JSON),
    ...each(['queue', 'worker-1', 'remove', '21', '--yes'], TEXT_AND_JSON),
    { argv: ['queue', 'worker-1', 'requeue', '21', '--yes'], code: 1 },
    { argv: ['queue', 'worker-1', 'set-intent', '24', 'another', '--yes'] },
    ...each(['queue', 'worker-1', 'move', '25', '--top'], TEXT_AND_JSON),
  ],
  projects: [
    ...each(['projects', 'worker-1'], TEXT_AND_JSON),
    { argv: ['projects', 'worker-1', 'remove', 'demo', '--yes'], code: 1 },
    ...each(['projects', 'worker-1', 'remove', 'fresh', '--yes'], TEXT_AND_JSON),
    { argv: ['projects', 'worker-1', 'add', 'acme/fresh'] },
  ],
  unstick: [
    ...each(['unstick', 'worker-1', '23', '--dry-run'], TEXT_AND_JSON, { scene: 'blocked' }),
    ...each(['unstick', 'worker-1', '23', '--yes'], TEXT_AND_JSON, { scene: 'blocked', code: 1 }),
    { argv: ['unstick', 'worker-1', '31'], scene: 'stuck', code: 1 },
  ],
  wait: [
    ...each(['wait', 'worker-1', 'idle', 'issue:23=completed', '--wait-timeout', '10m'], TEXT_AND_JSON, {
      code: 124,
    }),
    { argv: ['wait', 'worker-1', 'idle', '--wait-timeout', '10m', '-o', 'json'], scene: 'rest' },
  ],
  sessions: each(['sessions', 'worker-1'], ['', 'json', 'name']),
  peek: [
    ...each(['peek', 'worker-1'], TEXT_AND_JSON),
    ...each(['peek', 'worker-1', '--session', 'qa'], ['', 'json', 'yaml']),
    { argv: ['peek', 'worker-1', '--session', 'qa', '--ansi'] },
    { argv: ['peek', 'worker-1', '--session', 'qa', '--follow'], terminal: true, endless: true },
  ],
  attach: [
    { argv: ['attach', 'worker-1', '--session', 'qa', '--read-only'], terminal: true, remoteCodes: [80] },
    // A connection that was lost, and the way back.
    { argv: ['attach', 'worker-1', '--session', 'qa'], terminal: true, remoteCodes: [1, 80] },
  ],
  answer: [
    ...each(['answer', 'worker-1'], TEXT_AND_JSON),
    ...each(['answer', 'worker-1', 'qa', '--choice', '1'], TEXT_AND_JSON),
  ],
  send: each(['send', 'worker-1', 'notes', 'go on', '--yes'], TEXT_AND_JSON),
  logs: [
    ...each(['logs', 'worker-1'], ['', 'json', 'yaml']),
    { argv: ['logs', 'worker-1', 'qa'] },
    { argv: ['logs', 'worker-1', 'qa', '--ansi'] },
    { argv: ['logs', 'worker-1', '23-qa-1', '--follow'], endless: true },
    { argv: ['logs', 'worker-1', '--follow'], endless: true },
    { argv: ['logs', 'worker-1', 'boot', '--previous'] },
  ],
  exec: [{ argv: ['exec', 'worker-1', '--', 'ls'], terminal: true, remoteCodes: [5], code: 5 }],
  shell: [{ argv: ['shell', 'worker-1'], terminal: true, remoteCodes: [5], code: 5 }],
  cp: [
    ...each(['cp', 'worker-1:report.md', 'HOME/copy.md'], TEXT_AND_JSON),
    ...each(['cp', 'worker-1:report.md', 'HOME/copy.md', '--dry-run'], TEXT_AND_JSON),
    ...each(['cp', 'HOME/notes.md', 'worker-1:notes.md'], TEXT_AND_JSON, { files: NOTES }),
    { argv: ['cp', 'HOME/notes.md', 'worker-1:notes.md', '--dry-run'], files: NOTES },
  ],
  'port-forward': [
    ...each(['port-forward', 'worker-1'], TEXT_AND_JSON),
    { argv: ['port-forward', 'worker-1', '3000'], endless: true },
    { argv: ['port-forward', 'worker-1', '3001', '--dry-run'] },
  ],
  provision: [
    ...each(['provision', 'worker-1', '--from-env', '--dry-run'], TEXT_AND_JSON, {
      entered: 'none',
      scene: 'absent',
      ...SECRETS,
    }),
    ...each(['provision', 'worker-1', '--from-env', '--yes'], TEXT_AND_JSON, {
      entered: 'none',
      scene: 'absent',
      ...SECRETS,
    }),
    { argv: ['provision', 'worker-1', '--from-env', '--yes'], scene: 'busy', ...SECRETS },
  ],
  stop: [
    ...each(['stop', 'worker-1'], TEXT_AND_JSON),
    { argv: ['stop', 'worker-1', '--now', '--yes'] },
    { argv: ['stop', 'worker-1', '--dry-run'] },
  ],
  start: [
    ...each(['start', 'worker-1'], TEXT_AND_JSON, { scene: 'stopped' }),
    { argv: ['start', 'worker-1'], scene: 'stuck' },
  ],
  resize: [
    ...each(['resize', 'worker-1', '--memory', '12Gi', '--yes'], TEXT_AND_JSON),
    { argv: ['resize', 'worker-1', '--memory', '12Gi', '--cpu', '6', '--dry-run'] },
  ],
  drain: [
    ...each(['drain', 'worker-1'], TEXT_AND_JSON),
    { argv: ['drain', 'worker-1', '--wait'] },
    { argv: ['drain', 'worker-1'], scene: 'stuck', code: 1 },
  ],
  resume: [
    ...each(['resume', 'worker-1', '--force'], TEXT_AND_JSON, { scene: 'stuck' }),
    { argv: ['resume', 'worker-1'], scene: 'stuck', code: 1 },
  ],
  rotate: [
    ...each(['rotate', 'worker-1', '--check'], TEXT_AND_JSON),
    ...each(['rotate', 'worker-1', '--from-env', '--yes'], TEXT_AND_JSON, SECRETS),
    { argv: ['rotate', 'worker-1', '--from-env', '--dry-run', '-o', 'json'], ...SECRETS },
  ],
  backup: each(['backup', 'worker-1', 'HOME/backup.tar.gz'], TEXT_AND_JSON),
  restore: [
    ...each(['restore', 'HOME/saved.tar.gz', 'worker-1', '--dry-run'], TEXT_AND_JSON, {
      scene: 'rest',
      files: { 'saved.tar.gz': SAVED },
      told: ['saved.tar.gz'],
    }),
    ...each(['restore', 'HOME/saved.tar.gz', 'worker-1', '--yes'], TEXT_AND_JSON, {
      scene: 'rest',
      files: { 'saved.tar.gz': SAVED },
      told: ['saved.tar.gz'],
    }),
    ...['--dry-run', '--yes'].flatMap((how) =>
      each(['restore', 'HOME/saved.tar.gz', 'worker-1', '--import', how], TEXT_AND_JSON, {
        scene: 'rest',
        files: { 'saved.tar.gz': SAVED },
        told: ['saved.tar.gz'],
      }),
    ),
  ],
  cleanup: [
    ...each(['cleanup', 'worker-1', '--dry-run'], TEXT_AND_JSON),
    ...each(['cleanup', 'worker-1', '--yes'], TEXT_AND_JSON, { code: 1 }),
  ],
  retire: [
    ...each(['retire', 'worker-1', '--dry-run'], TEXT_AND_JSON),
    ...each(['retire', 'worker-1', '--yes'], TEXT_AND_JSON),
    {
      argv: [
        'retire',
        'worker-1',
        '--purge',
        '--confirm',
        'worker-1',
        '--yes',
        '--backup',
        'HOME/last.tar.gz',
      ],
    },
  ],
  'build-push-rollout': [
    ...each(['build-push-rollout', 'rollout', 'worker-1', '--image', digest, '--yes'], TEXT_AND_JSON, {
      scene: 'rest',
    }),
    { argv: ['build-push-rollout', 'rollout', 'worker-1', '--image', digest, '--dry-run'] },
    {
      argv: ['build-push-rollout', 'rollout', 'worker-1', '--image', digest, '--import', '--yes'],
      scene: 'rest',
    },
    {
      argv: ['build-push-rollout', 'rollout', 'worker-1', 'worker-2', '--image', digest, '--yes'],
      scene: 'rest',
      second: 'rest',
    },
    { argv: ['build-push-rollout', 'rollout', 'worker-1', '--restart', '--yes'], scene: 'rest' },
    { argv: ['build-push-rollout', 'rollout', 'worker-1', '--image', digest, '--now', '--yes'] },
  ],
  rollback: [
    ...each(['rollback', 'worker-1', '--yes'], TEXT_AND_JSON, { scene: 'rest' }),
    { argv: ['rollback', 'worker-1', '--dry-run'] },
    { argv: ['rollback', 'worker-1', '--yes'], scene: 'rest', files: MIGRATED },
    { argv: ['rollback', 'worker-1', '--yes'], scene: 'rest', files: IMPORTED },
  ],
  releases: each(['releases'], TEXT_AND_JSON, {
    files: releasesFiles,
    told: releasesTold,
    // Of a backup, numbers were checked when they came.
    toldFields: /^\.(?:why|build|backup\.(?:file|sha256|integrity))\b/,
    ...two,
  }),
  doctor: [
    ...each(['doctor'], TEXT_AND_JSON, two),
    { argv: ['doctor', 'worker-1'], scene: 'stuck', code: 1 },
    { argv: ['doctor', 'worker-1', '--fix', '--yes'], scene: 'stuck', code: 1 },
    { argv: ['doctor'], entered: 'none' },
  ],
  workers: [
    ...each(['workers', 'show'], ['', 'json', 'yaml', 'name'], two),
    ...each(['workers', 'add', 'worker-1'], ['', 'json'], { entered: 'none', second: 'busy' }),
    { argv: ['workers', 'remove', 'worker-1', '--yes'] },
  ],
  local: [
    ...each(['local', 'status'], TEXT_AND_JSON, { entered: 'local', files: localFiles(), told: localTold }),
    { argv: ['local', 'up', 'worker-1'], entered: 'local', files: localFiles(), told: localTold },
    {
      argv: ['local', 'up', 'worker-1'],
      entered: 'local',
      files: STARTING,
      told: localTold,
      appear: localTold.slice(0, 2),
    },
    {
      argv: ['local', 'up', 'worker-1'],
      entered: 'local',
      files: { ...STARTING, 'local/run/boot.json': FAILING },
      told: localTold,
      appear: localTold.slice(0, 2),
      code: 1,
    },
  ],
  // It asks nobody.
  'shell-init': [{ argv: ['shell-init', '--help'] }],
  complete: [
    { argv: ['complete', 'zsh', '--', 'factory-worker', 'peek', 'worker-1', '--session', ''] },
    { argv: ['complete', 'fish', '--', 'factory-worker', 'dispatch', 'worker-1', '--project', ''] },
    { argv: ['complete', 'bash', '--', 'factory-worker queue worker-1 remove ', ''] },
    { argv: ['complete', 'zsh', '--', 'factory', ''] },
  ],
};
