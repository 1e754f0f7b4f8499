/** What a busy worker answers to each script, every part filled; and a kubectl that gives such answers. */
import type { Exec } from '../../scripts/lib/exec.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { pod, podList } from '../transport/cluster.ts';

/** Seconds since 1970 by the worker's clock and by the laptop's: the sample is of one moment. */
export const NOW = new Date('2026-03-02T12:00:00Z');
const CLOCK = NOW.getTime() / 1000;
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();

export type Answer = Readonly<Record<string, string>>;

const json = (value: unknown) => JSON.stringify(value);
const lines = (...values: readonly unknown[]) => values.map((value) => `${json(value)}\n`).join('');
const table = (...rows: readonly (readonly (string | number)[])[]) =>
  rows.map((row) => row.join('\t')).join('\n');

const SESSIONS = table(
  ['orchestrator', CLOCK - 5, CLOCK - 3600, 0, 0, ''],
  ['23-qa-1', CLOCK - 30, CLOCK - 900, 1, 0, ''],
  ['24-build-2', CLOCK - 300, CLOCK - 900, 0, 1, 3],
);

const PROBE: Answer = {
  clock: `${CLOCK}.500000`,
  'repos-dir': '/root/.factory/repos',
  sessions: SESSIONS,
  boot: json({
    schema: 1,
    bootId: 'b',
    podUid: 'u',
    image: 'registry.example.com/w@sha256:1',
    startedAt: ago(3600),
    finishedAt: ago(3590),
    phases: [
      { name: 'tmux', status: 'ok', startedAt: ago(3600), ms: 20, message: '' },
      { name: 'docker', status: 'failed', startedAt: ago(3600), ms: 900, message: 'it does not start' },
      { name: 'credentials', status: 'missing', startedAt: ago(3600), ms: 5, message: 'GH_TOKEN is missing' },
    ],
  }),
  heartbeat: json({
    schema: 1,
    state: 'waiting',
    reason: 'nothing to do',
    pid: 7,
    project: 'demo',
    startedAt: ago(20),
    finishedAt: ago(10),
    intervalSeconds: 30,
    actions: [{ issue: 23, action: 'steer', stage: 'qa', session: '23-qa-1', message: 'go on' }],
    clones: [
      {
        project: 'demo',
        cause: 'changed',
        text: 'its main checkout is 1 commit behind origin/main, and cannot be brought there',
        said: 'error: it would be overwritten',
        subject: '',
        since: ago(900),
        holds: true,
      },
    ],
  }),
  drain: json({ schema: 1, by: 'me', host: 'here', since: ago(60), reason: 'a look', release: 'r1' }),
  locks: 'boot=held\ncheck-in=free',
  dispatches: lines(
    { issue: 23, project: 'demo', at: ago(4000), by: 'me@here' },
    { issue: 25, project: 'shop', at: ago(3000), by: 'me@here' },
  ),
  repairs: lines(
    { at: ago(99), issue: 23, stage: 'qa', attempt: 1, session: '23-qa-1', action: 'advance', cure: '' },
    {
      at: ago(50),
      issue: 24,
      stage: 'build',
      attempt: 2,
      session: 'x',
      action: 'give-up',
      cure: 'factory x',
    },
    { at: ago(40), issue: 26, stage: '', attempt: 0, session: '', action: 'give-up', cure: '' },
  ),
  clones: table(
    ['demo', 'https://bot:pass@github.com/acme/demo.git'],
    ['shop', 'git@github.com:acme/shop.git'],
  ),
  dialect:
    'key=1\npostgres=0\nAdd issues\n\nFlags:\n      --config string   x (required)\n      --depends-on ints  x\n      --intent string  x\n',
  disk: 'Filesystem 1-blocks Used Available Capacity Mounted on\n/dev/sda1 1000 900 100 90% /root/.factory',
  queue: json([
    {
      ID: 1,
      Issue: 22,
      Status: 'completed',
      Position: 1,
      FeatureIntent: 'a',
      AddedAt: '2026-03-02 10:00:00',
    },
    {
      ID: 2,
      Issue: 23,
      Status: 'active',
      Position: 2,
      FeatureIntent: 'b',
      Namespace: 'acme/demo',
      ConfigPath: '/root/.factory/repos/demo/pipeline.yaml',
      DependsOn: [22],
      AddedAt: '2026-03-02 10:00:00',
    },
    { ID: 3, Issue: 24, Status: 'active', Position: 3, Project: 'shop', DependsOn: null, AddedAt: '' },
    { ID: 4, Issue: 25, Status: 'pending', Position: 4, FeatureIntent: 'd', DependsOn: [23, 24] },
    { ID: 5, Issue: 26, Status: 'active', Position: 5, FeatureIntent: 'e' },
  ]),
  pipelines: json([
    {
      issue: 23,
      title: 'Log in',
      status: 'blocked',
      stage: 'qa',
      attempt: 1,
      session: '23-qa-1',
      session_state: 'idle',
      branch: 'feature/issue-23',
      fix_round: 0,
    },
    { issue: 24, title: 'Pay', status: 'in_progress', stage: 'build', attempt: 2, session: '24-build-2' },
    { issue: 27, title: 'Stray', status: 'rate_limited', stage: 'build', attempt: 1, session: '27-build-1' },
  ]),
};

const LOOK: Answer = {
  'pane.0': '23-qa-1\tclaude\t\nDo you want to proceed?\n❯ 1. Yes\n  2. No',
  'pane.1': '24-build-2\tbash\t1\n$ exit',
  'human.0': '23-qa-1\nSession: 23-qa-1\nHuman: true',
  'lone-shells': '24-build-2',
  'in-the-way': '24\tthe branch feature/issue-24 is checked out in /w/x\tgit -C /w/x switch --detach',
  failures: '2026/03/02 11:00:00 #23 fail qa',
};

/** What each script answers; the parts that `look` is asked for belong to its name. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  'look brief': PROBE,
  'look full': PROBE,
  'look brief panes': { ...PROBE, ...LOOK },
  why: {
    ...PROBE,
    ...LOOK,
    docker: 'driver=overlay2\nversion=26.1.5\nroot=/var/lib/docker',
    'docker-networks': 'pod 1450\nbridge 1500\nx_default 1500',
    memory: 'pod 2 900 1000\ndocker 1 800 900',
    disks: '/dev/sdb1 1000 950 50 95% /var/lib/docker\n/dev/sdb1 1000 950 50 95% /tmp',
    oom: 'oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a/docker,task_memcg=/a/docker,task=node,pid=7,uid=0',
  },
  'look clock sessions': { clock: PROBE['clock'] ?? '', sessions: SESSIONS },
  'look brief humans': { ...PROBE, ...LOOK },
  peek: { clock: PROBE['clock'] ?? '', sessions: SESSIONS, name: '23-qa-1', pane: 'one\ntwo' },
  'look clock sessions recordings': {
    clock: PROBE['clock'] ?? '',
    sessions: SESSIONS,
    recordings: '23-qa-1\n22-qa-1',
  },
  logs: {
    file: '/root/.factory/worker/logs/orchestrator.log',
    piece: '77-1 0 4 same',
    data: Buffer.from('log\n').toString('base64'),
    going: 'no',
  },
  usage: {
    disk: PROBE['disk'] ?? '',
    sizes: table(
      ['worktree', 'demo#23', 5000],
      ['clone', 'demo', 9000],
      ['logs', '', 10],
      ['backups', '', 20],
      ['agents', '', 30],
      ['pipelines', '', 40],
    ),
    'docker-disk': '/dev/sdb1 1000 950 50 95% /var/lib/docker',
    memory: 'pod 2 900 1000\ndocker 1 800 900',
    docker: lines(
      { Type: 'Images', Size: '1.2GB', Reclaimable: '1GB (80%)' },
      { Type: 'Build Cache', Size: '5MB' },
    ),
  },
  'cleanup-look': {
    ...PROBE,
    worktrees: table(
      ['demo', 22, 5000, 1, 0, 0, '/r/demo/worktrees/issue-22'],
      ['demo', 23, 6000, 0, 2, 1, '/r/x'],
    ),
    recordings: table(['22-qa-1', 300], ['boot', 20]),
    docker: lines({ Type: 'Build Cache', Size: '5MB', Reclaimable: '5MB' }),
    'docker-images': lines({ Size: '1.2GB' }, { Size: '3kB' }),
  },
  'unstick-look': { ...PROBE, human: 'Human: false\nState: idle' },
  drain: { ...PROBE, drained: 'new' },
  resume: { ...PROBE, resumed: 'lifted' },
  dispatch: {
    ...PROBE,
    project: 'pipeline.yaml',
    outcomes: lines(
      { issue: 23, outcome: 'queued', detail: '' },
      { issue: 99, outcome: 'would-queue', detail: '' },
    ),
  },
  doctor: {
    ...PROBE,
    'docker-networks': 'pod 1450\nbridge 1450\n',
    facts: table(
      ['cgroup.version', 2],
      ['cgroup.handed-down', 'cpuset cpu io memory pids'],
      ['cgroup.own', '/init'],
      ['inotify.max_user_instances', 8192],
      ['inotify.max_user_watches', 524288],
      ['programs.missing', ''],
      ['programs.noexec', ''],
      ['disk.state', '/root/.factory/worker 1000 600 90'],
      ['docker.wanted', 'yes'],
      ['docker.info', '26.1.5 overlay2 cgroupfs 2'],
      ['docker.on', 'ext2/ext3'],
      ['iptables.version', 'iptables v1.8.9 (nf_tables)'],
      ['iptables.docker-rules', 'yes'],
      ['mtu.pod', 1450],
      ['mtu.docker0', 1450],
      ['mtu.compose', 1450],
      ['run.milliseconds', 812],
      ['run.cgroup', '/docker/0123'],
    ),
  },
};

/** @returns null for a script that nothing here asks for */
export function answerOf(script: string): Answer | null {
  return ANSWERS[script] ?? null;
}

export const SCRIPTS = Object.keys(ANSWERS);

/** As scripts/remote/frame.sh writes it. */
export function framed(nonce: string, answer: Answer): string {
  const parts = Object.entries(answer).map(
    ([name, text]) => `${nonce} part ${name} rc=0 bytes=${Buffer.byteLength(text)}\n${text}\n`,
  );
  const body = parts.join('');
  return `${body}${nonce} rc=0 bytes=${Buffer.byteLength(body)}\n`;
}

const PODS = ['hostile', 'honest'] as const;
export const WORKERS = `workers:\n${PODS.map(
  (name) => `  - {name: ${name}, pod: factory-${name}, namespace: factory, context: test}\n`,
).join('')}`;

/**
 * A cluster with two workers, `hostile` and `honest`, of which the second always answers as it should.
 *
 * @param mutate makes the answer of the first
 */
export function cluster(mutate: (script: string, answer: Answer) => Answer): Exec {
  const list = podList(...PODS.map((name) => pod({ of: `factory-${name}` })));
  return fakeExec((argv) => {
    const rest = argv.slice(1).filter((word) => !word.startsWith('--'));
    if (rest[0] === 'version')
      return {
        stdout: '{"clientVersion":{"gitVersion":"v1.34.4"},"serverVersion":{"gitVersion":"v1.34.4"}}',
      };
    if (rest[0] === 'get' && rest[1] === 'pods') return { stdout: list };
    if (rest[0] !== 'exec') return { code: 1, stderr: 'Error from server (Forbidden): not in this test\n' };
    const bash = argv.indexOf('bash');
    const [name = '', nonce = '', ...args] = argv.slice(bash + 3);
    const script = name === 'look' ? [name, ...args].join(' ') : name;
    const honest = answerOf(script);
    if (honest === null) throw new Error(`no answer for the script ${script}`);
    const answer = rest[1]?.startsWith('factory-hostile') ? mutate(script, honest) : honest;
    return { stdout: framed(nonce, answer) };
  });
}
