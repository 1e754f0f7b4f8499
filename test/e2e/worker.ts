/** Workers in the test cluster, installed with the real chart, and the operator's files and commands to drive them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pinnedHelm } from '../charts/pinned-helm.ts';
import { apply, CONTEXT, KUBECONFIG, KUBECTL, kubectl, ROOT, SCRATCH, until } from './cluster.ts';

const run = promisify(execFile);

/** The image of test/e2e/image.sh, or one that was built for real: `NAME:TAG`. */
const IMAGE = process.env['E2E_IMAGE'] || 'localhost/factory-worker-e2e:1';

/** What a small machine can spare; no Docker, so that nothing is privileged; a project that needs no network. */
const VALUES = {
  image: { repository: IMAGE.slice(0, IMAGE.lastIndexOf(':')), tag: IMAGE.slice(IMAGE.lastIndexOf(':') + 1) },
  docker: { enabled: false },
  // The stand-ins take any.
  secrets: { inline: { CLAUDE_CODE_OAUTH_TOKEN: 'stand-in', GH_TOKEN: 'stand-in', GH_USER: 'factory-bot' } },
  resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '1Gi' } },
  persistence: { accessMode: 'ReadWriteOnce', size: '1Gi' },
  orchestrator: { enabled: false, interval: '2s' },
  projects: [{ name: 'demo', repo: 'file:///srv/demo.git' }],
  shutdown: { waitForStage: '5s' },
  terminationGracePeriodSeconds: 70,
  probes: { readiness: { periodSeconds: 2 } },
};

/** The STATUS of such a worker, whose orchestrator is switched off so that its queue stays as it is. */
export const HELD = 'stuck';

type Values = Readonly<Record<string, unknown>>;

/** Helm, as the chart's own tests resolve it. */
export async function helm(...args: string[]): Promise<string> {
  const program = process.env['HELM'] || pinnedHelm('helm3') || 'helm';
  const { stdout } = await run(program, [...args, `--kubeconfig=${KUBECONFIG}`, `--kube-context=${CONTEXT}`]);
  return stdout;
}

const PRIVILEGED = Object.fromEntries(
  ['enforce', 'audit', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'privileged']),
);

/** Makes a namespace anew, with the labels that a worker's namespace needs unless others are given. */
export async function makeNamespace(name: string, labels: Values = PRIVILEGED): Promise<void> {
  await removeNamespace(name);
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  // A pod cannot be made before its namespace's own service account is.
  await until('the default service account', 60, () =>
    kubectl('-n', name, 'get', 'serviceaccount', 'default'),
  );
}

export async function removeNamespace(name: string): Promise<void> {
  await kubectl('-n', name, 'delete', 'pods', '--all', '--grace-period=1', '--ignore-not-found').catch(
    () => {},
  );
  await kubectl('delete', 'namespace', name, '--ignore-not-found', '--timeout=120s');
}

export interface TestWorker {
  readonly name: string;
  readonly namespace: string;
  /** What `pod:` says. */
  readonly pod: string;
}

/** Installs a release and waits until its pod is Ready, unless told not to. */
export async function installWorker(
  namespace: string,
  name: string,
  values: Values = {},
  { wait } = { wait: true },
): Promise<TestWorker> {
  mkdirSync(SCRATCH, { recursive: true });
  const files = [VALUES, values].map((content, index) => {
    const file = join(SCRATCH, `${name}-${index}.values.json`);
    writeFileSync(file, JSON.stringify(content));
    return `--values=${file}`;
  });
  const waiting = wait ? ['--wait', '--timeout=180s'] : [];
  await helm('install', name, 'charts/factory-worker', `--namespace=${namespace}`, ...files, ...waiting);
  return { name, namespace, pod: `factory-${name}` };
}

export interface PodObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
}

/** The pods of a worker, those on their way out among them. */
export async function podsOf({ namespace, name }: TestWorker): Promise<PodObject[]> {
  const selector = `app.kubernetes.io/instance=${name}`;
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

/** Issue numbers in the worker's queue, as its own program lists them. */
export async function queueOf(worker: TestWorker): Promise<number[]> {
  const rows = JSON.parse((await inWorker(worker, 'factory queue list --format json')) || '[]') as
    | { Issue: number }[]
    | null;
  return (rows ?? []).map(({ Issue }) => Issue).toSorted((a, b) => a - b);
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
  const [program, ...rest] = commandArgv(name, args);
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
