/** Workers in the test cluster, installed with the real chart, and the operator's files and commands to drive them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pinnedHelm } from '../charts/pinned-helm.ts';
import {
  apply,
  CONTEXT,
  FOREIGN,
  KUBECONFIG,
  KUBECTL,
  kubectl,
  kubectlWith,
  ROOT,
  SCRATCH,
  until,
} from './cluster.ts';

const run = promisify(execFile);

/** The image of test/e2e/image.sh, or one that was built for real: `NAME:TAG`. */
export const IMAGE = process.env['E2E_IMAGE'] || 'localhost/factory-worker-e2e:1';

/** The same with Docker and all its tools: test/e2e/push-image.sh. */
const FULL_IMAGE = `localhost:${process.env['CLUSTER_REGISTRY_PORT'] || '5213'}/factory-worker:e2e`;

const imageValues = (image: string) => ({
  repository: image.slice(0, image.lastIndexOf(':')),
  tag: image.slice(image.lastIndexOf(':') + 1),
});

/** What a small machine can spare; no Docker, so that nothing is privileged; a project that needs no network. */
const VALUES = {
  image: imageValues(IMAGE),
  docker: { enabled: false },
  // The stand-ins take any.
  secrets: { inline: { CLAUDE_CODE_OAUTH_TOKEN: 'stand-in', GH_TOKEN: 'stand-in', GH_USER: 'factory-bot' } },
  resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '1Gi' } },
  persistence: { accessMode: 'ReadWriteOnce', size: '1Gi' },
  orchestrator: { enabled: false, interval: '2s' },
  projects: [{ name: 'demo', repo: 'file:///srv/demo.git' }],
  shutdown: { waitForStage: '5s' },
  terminationGracePeriodSeconds: 70,
  // Each costs a tenth of a second of processor, and many workers run beside each other.
  probes: { readiness: { periodSeconds: 5 } },
};

/** For a worker with a Docker of its own, hence privileged. */
export const WITH_DOCKER = {
  image: imageValues(FULL_IMAGE),
  docker: { enabled: true, memoryReserve: '256Mi' },
  // As the chart has it by default.
  persistence: { accessMode: 'ReadWriteOncePod', size: '1Gi' },
};

/** For a worker whose orchestrator works, every two seconds. */
export const WORKING = { orchestrator: { enabled: true } };

/** Settings of the stand-ins for factory, claude and gh (examples/README.md), to merge into the values. */
export function standins(lines: Readonly<Record<string, string | number>>): Values {
  return { standins: lines };
}

/** The STATUS of such a worker, whose orchestrator is switched off so that its queue stays as it is. */
export const HELD = 'drained';

/** The chart, from the checkout's top. */
export const CHART = 'charts/factory-worker';

export type Values = Readonly<Record<string, unknown>>;

/** Helm, as the chart's own tests resolve it. */
export const HELM = process.env['HELM'] || pinnedHelm('helm3') || 'helm';

export async function helm(...args: string[]): Promise<string> {
  const { stdout } = await run(HELM, [...args, `--kubeconfig=${KUBECONFIG}`, `--kube-context=${CONTEXT}`]);
  return stdout;
}

const PRIVILEGED = Object.fromEntries(
  ['enforce', 'audit', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'privileged']),
);

/** Makes a namespace anew, with the labels that a worker's namespace needs unless others are given. */
export async function makeNamespace(name: string, labels: Values = PRIVILEGED): Promise<void> {
  await removeNamespace(name);
  // Somebody else's is used as it is.
  if (FOREIGN) return;
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  // A pod cannot be made before its namespace's own service account is.
  await until('the default service account', 60, () =>
    kubectl('-n', name, 'get', 'serviceaccount', 'default'),
  );
}

export async function removeNamespace(name: string): Promise<void> {
  if (FOREIGN) {
    // One after the other: several namespaces of the test cluster are one in somebody else's.
    removing = removing.then(removeOurReleases);
    return removing;
  }
  await kubectl('-n', name, 'delete', 'pods', '--all', '--grace-period=1', '--ignore-not-found').catch(
    () => {},
  );
  await kubectl('delete', 'namespace', name, '--ignore-not-found', '--timeout=120s');
}

/** Their names tell which ones are ours. */
const FOREIGN_PREFIX = 'e2e-';

let removing = Promise.resolve();

async function removeOurReleases(): Promise<void> {
  const namespace = FOREIGN?.namespace ?? '';
  const list = await helm(
    'list',
    '--short',
    '--all',
    `--namespace=${namespace}`,
    `--filter=^${FOREIGN_PREFIX}`,
  );
  for (const name of list.split('\n').filter((line) => line !== '')) {
    await helm('uninstall', name, `--namespace=${namespace}`, '--wait');
    const ours = `app.kubernetes.io/instance=${name}`;
    await kubectl('-n', namespace, 'delete', 'persistentvolumeclaim,configmap', '--selector', ours);
  }
}

export interface TestWorker {
  readonly name: string;
  readonly namespace: string;
  /** What `pod:` says. */
  readonly pod: string;
}

/** The arguments of helm that give a worker of these tests its values; what stands later wins. */
export function valuesOf(name: string, ...values: readonly Values[]): string[] {
  mkdirSync(SCRATCH, { recursive: true });
  return [VALUES, ...values].map((content, index) => {
    const file = join(SCRATCH, `${name}-${index}.values.json`);
    writeFileSync(file, JSON.stringify(content));
    return `--values=${file}`;
  });
}

/** The stand-ins read a file in HOME, since neither panes nor the programs' callers hand variables down. */
async function giveStandins(namespace: string, name: string, lines: Values): Promise<Values> {
  const metadata = { name: `${name}-standins`, namespace, labels: { 'app.kubernetes.io/instance': name } };
  const text = Object.entries(lines).map(([key, value]) => `${key}=${value}\n`);
  await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { settings: text.join('') } });
  return {
    extraVolumes: [{ name: 'standins', configMap: { name: metadata.name } }],
    extraVolumeMounts: [{ name: 'standins', mountPath: '/root/.factory-standin', subPath: 'settings' }],
  };
}

/** Installs a release and waits until its pod is Ready, unless told not to. */
export async function installWorker(
  namespace: string,
  name: string,
  values: Values = {},
  { wait } = { wait: true },
): Promise<TestWorker> {
  const { standins: lines, ...rest } = values;
  const worker = FOREIGN
    ? { name: `${FOREIGN_PREFIX}${name}`, namespace: FOREIGN.namespace }
    : { name, namespace };
  const more = lines ? [await giveStandins(worker.namespace, worker.name, lines as Values)] : [];
  const files = valuesOf(worker.name, rest, ...more);
  const waiting = wait ? ['--wait', '--timeout=180s'] : [];
  await helm('install', worker.name, CHART, `--namespace=${worker.namespace}`, ...files, ...waiting);
  return { ...worker, pod: `factory-${worker.name}` };
}

export interface PodObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly message?: string;
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly lastState: { readonly terminated?: { readonly reason: string; readonly exitCode: number } };
    }[];
  };
}

/** The pods of a worker, those on their way out among them. */
export async function podsOf({ namespace, name }: TestWorker): Promise<PodObject[]> {
  // `helm test` leaves a pod of the same release.
  const selector = `app.kubernetes.io/name=factory-worker,app.kubernetes.io/instance=${name}`;
  const list = await kubectl('-n', namespace, 'get', 'pods', '--selector', selector, '--output=json');
  return (JSON.parse(list) as { items: PodObject[] }).items;
}

/** The one pod of a worker that is not being deleted, once it is Ready. */
export async function readyPod(worker: TestWorker, otherThan = ''): Promise<string> {
  const name = await until(`a pod of ${worker.name}`, 120, async () => {
    const pods = (await podsOf(worker)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    return pods.length === 1 && pods[0]?.metadata.name !== otherThan ? pods[0]?.metadata.name : undefined;
  });
  await kubectl('-n', worker.namespace, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=120s');
  return name;
}

/** Runs bash in the worker, by a plain kubectl exec: what a test verifies must not go through what it tests. */
export async function inWorker(worker: TestWorker, script: string): Promise<string> {
  return kubectl('-n', worker.namespace, 'exec', await readyPod(worker), '--', 'bash', '-c', script);
}

/** The same in one pod of which there may be others, with something on standard input when given. */
export async function inPod(
  { namespace }: TestWorker,
  pod: string,
  script: string,
  input: string | Buffer = '',
): Promise<string> {
  return kubectlWith(input, '-n', namespace, 'exec', '-i', pod, '--', 'bash', '-c', script);
}

interface QueueRow {
  readonly Issue: number;
  readonly Status: string;
}

/** The worker's queue, as its own program lists it. */
export async function rowsOf(worker: TestWorker): Promise<readonly QueueRow[]> {
  const text = await inWorker(worker, 'factory queue list --format json');
  return (JSON.parse(text || '[]') as QueueRow[] | null) ?? [];
}

/** Waits until an issue has come to its end: its row says so, and its last stage's work is committed. */
export async function finished(worker: TestWorker, issue: number, seconds = 150): Promise<void> {
  await until(`#${issue} is finished`, seconds, async () => {
    const row = (await rowsOf(worker)).find(({ Issue }) => Issue === issue);
    if (row?.Status !== 'completed') throw new Error(`its row: ${JSON.stringify(row)}`);
    return true;
  });
  const log = await inWorker(worker, 'git -C /root/.factory/repos/demo log --all --format=%s');
  if (!log.includes(`issue #${issue}: review`)) throw new Error(`no work of #${issue}'s last stage:\n${log}`);
}

/** Issue numbers in the worker's queue, as its own program lists them. */
export async function queueOf(worker: TestWorker): Promise<number[]> {
  return (await rowsOf(worker)).map(({ Issue }) => Issue).toSorted((a, b) => a - b);
}

/** The database is whole, and no issue is in the queue twice. */
export async function assertSound(worker: TestWorker): Promise<void> {
  const answer = await inWorker(
    worker,
    'cd /root/.factory; sqlite3 factory.db "PRAGMA integrity_check"; sqlite3 factory.db "SELECT issue FROM issue_queue GROUP BY issue HAVING count(*) > 1"',
  );
  if (answer.trim() !== 'ok') throw new Error(`the database of ${worker.name}: ${answer}`);
}

interface Operator {
  /** Instead of the administrator's. */
  readonly kubeconfig?: string;
  /** Distinguishes laptops. */
  readonly laptop?: string;
}

/** A workers.yaml for some workers, as one operator has it. */
export function workersFile(
  workers: readonly TestWorker[],
  { kubeconfig, laptop = 'laptop' }: Operator = {},
): string {
  const folder = join(SCRATCH, laptop);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `workers-${crypto.randomUUID().slice(0, 8)}.yaml`);
  const entries = workers.map(({ name, pod, namespace }) => ({
    name,
    pod,
    namespace,
    context: CONTEXT,
    kubeconfig: kubeconfig ?? KUBECONFIG,
  }));
  writeFileSync(file, JSON.stringify({ workers: entries }));
  return file;
}

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** What starts `scripts/NAME.ts`, as `npx tsx scripts/NAME.ts` does. */
export function commandArgv(name: string, args: readonly string[]): [string, ...string[]] {
  return [process.execPath, '--import', 'tsx', join('scripts', `${name}.ts`), ...args];
}

/** The environment of an operator: no cluster but the one in workers.yaml. */
export function operatorEnv(laptop = 'laptop'): NodeJS.ProcessEnv {
  const home = join(SCRATCH, laptop);
  mkdirSync(home, { recursive: true });
  return {
    PATH: process.env['PATH'],
    HOME: home,
    KUBECTL,
    HELM,
    KUBECONFIG: '/nonexistent',
    TERM: 'xterm-256color',
    NO_COLOR: '1',
  };
}

/** A command that has been started. */
export interface Running {
  readonly child: ChildProcess;
  readonly answer: Promise<Answer>;
  /** What it has printed so far, both streams. */
  output(): string;
}

/** Starts a real command process. */
export function start(name: string, args: readonly string[], laptop?: string): Running {
  return startArgv(commandArgv(name, args), laptop);
}

function startArgv([program, ...rest]: readonly [string, ...string[]], laptop?: string): Running {
  const started = Date.now();
  const child = spawn(program, rest, {
    cwd: ROOT,
    env: operatorEnv(laptop),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code: code ?? -1, stdout, stderr, seconds: (Date.now() - started) / 1000 }),
    );
  });
  return { child, answer, output: () => stdout + stderr };
}

/** Runs a command on a laptop whose clock is wrong by some seconds. */
export function skewed(seconds: number, name: string, args: readonly string[]): Promise<Answer> {
  const clock = `const D = Date; globalThis.Date = class extends D {
    constructor(...given) { if (given.length === 0) super(D.now() + ${seconds * 1000}); else super(...given); }
    static now() { return D.now() + ${seconds * 1000}; }
  };`;
  const [program, ...rest] = commandArgv(name, args);
  return startArgv([program, '--import', `data:text/javascript,${encodeURIComponent(clock)}`, ...rest])
    .answer;
}

/** Runs a command to its end. */
export function command(name: string, args: readonly string[], laptop?: string): Promise<Answer> {
  return start(name, args, laptop).answer;
}

/** The row of one worker in `list -o json`. */
export interface ListRow {
  readonly name: string;
  readonly status: string;
  readonly problems: readonly {
    readonly id: string;
    readonly cause: string;
    readonly next: readonly string[];
  }[];
  readonly sessions: readonly string[] | null;
  readonly queue:
    | readonly { readonly project: string | null; readonly issue: number; readonly status: string }[]
    | null;
}

/** `list -o json` of one worker. */
export async function listOne(
  worker: TestWorker,
  file: string,
  ...flags: string[]
): Promise<ListRow & { code: number }> {
  const { code, stdout, stderr } = await command('list', ['-o', 'json', '--workers', file, ...flags]);
  const parsed = JSON.parse(stdout || 'null') as ListRow[] | { workers: ListRow[] } | null;
  const rows = Array.isArray(parsed) ? parsed : (parsed?.workers ?? []);
  const row = rows.find(({ name }) => name === worker.name);
  if (row === undefined) throw new Error(`list said nothing of ${worker.name}: ${stdout}${stderr}`);
  return { ...row, code };
}
