/** What is measured: a real local worker with the stand-ins, and a fleet behind a kubectl that answers from a recording. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../scripts/lib/cli/version.ts';
import { newNonce } from '../scripts/lib/transport/frame.ts';
import { scriptArgv } from '../scripts/lib/transport/scripts.ts';
import { CONTEXT, KUBECONFIG, KUBECTL } from '../test/e2e/cluster.ts';
import { install, makeNamespace, removeNamespace, workerIn } from '../test/e2e/install.ts';
import { Operator } from '../test/e2e/operator.ts';
import { readyPod } from '../test/e2e/worker.ts';

const root = packageRoot();

/** The bundle, as users start it. */
export const PROGRAM = join(root, 'dist', 'factory-worker.js');

export interface LocalPlace {
  readonly dir: string;
  /** The environment of the worker: what the bare commands run in. */
  readonly workerEnv: Readonly<Record<string, string>>;
  /** The environment of the operator: HOME with a workers.yaml. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of the worker's only project. */
  readonly clone: string;
  stop(): void;
}

/** Starts a worker with one project; drained, so that the issues that the bench adds are not worked on. */
export function startLocalWorker(): LocalPlace {
  const dir = mkdtempSync(join(tmpdir(), 'factory-worker-bench-'));
  const env = { PATH: process.env['PATH'], HOME: dir, LANG: 'C.UTF-8', NO_COLOR: '1' };
  const origin = join(dir, 'demo.git');
  const home = join(dir, 'worker');
  execFileSync(join(root, 'examples/demo/make-origin.sh'), [origin], { env });
  const local = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(PROGRAM, ['local', ...args], { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`local ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  };
  local('up', 'bench', '--home', home, '--bin', join(root, 'examples/bin'), '--project', `demo=${origin}`);
  const { env: workerEnv } = JSON.parse(readFileSync(join(home, 'worker.json'), 'utf8')) as {
    env: Record<string, string>;
  };
  const drain = { schema: 1, by: 'bench', host: 'bench', since: new Date().toISOString(), reason: 'bench' };
  writeFileSync(
    join(String(workerEnv['WORKER_STATE_DIR']), 'drain'),
    JSON.stringify({ ...drain, release: null }),
  );
  return {
    dir,
    workerEnv,
    env,
    clone: join(String(workerEnv['WORKER_REPOS_DIR']), 'demo'),
    stop() {
      local('down', 'bench');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface ClusterPlace {
  /** The operator's environment, with a workers.yaml of one worker, `worker-1`. */
  readonly env: NodeJS.ProcessEnv;
  /** The same, with a workers.yaml that keeps the connection for the next command. */
  readonly keptEnv: NodeJS.ProcessEnv;
  /** The same, with a workers.yaml in which the worker stands many times, under other names. */
  readonly fleetEnv: NodeJS.ProcessEnv;
  /** `kubectl exec` into its pod, up to the name of the pod. */
  readonly exec: readonly string[];
  remove(): Promise<void>;
}

const NAMESPACE = 'bench';

export const FLEET_NAMES: readonly string[] = Array.from({ length: 50 }, (_, index) => `worker-${index + 1}`);

/**
 * Installs a worker into the test cluster, with one project and the orchestrator switched off: the issues that the bench adds
 * are not worked on.
 *
 * @returns null where there is no such cluster, or the node has no worker image yet
 */
export async function startClusterWorker(): Promise<ClusterPlace | null> {
  const cache = join(root, '.cache/cluster');
  if (!existsSync(join(cache, 'kubeconfig')) || !existsSync(join(cache, 'worker.tar'))) return null;
  await makeNamespace(NAMESPACE);
  const worker = await install(workerIn(NAMESPACE, 'worker-1'));
  const pod = await readyPod(worker);
  const { env, file } = Operator.of([worker]);
  const kubectl = [KUBECTL, `--kubeconfig=${KUBECONFIG}`, `--context=${CONTEXT}`];
  const kept = Operator.of([worker], { keepConnection: '10m' }).file;
  const fleet = Operator.of(FLEET_NAMES.map((name) => ({ ...worker, name }))).file;
  return {
    env: { ...env, FACTORY_WORKERS: file },
    keptEnv: { ...env, FACTORY_WORKERS: kept },
    fleetEnv: { ...env, FACTORY_WORKERS: fleet },
    exec: [...kubectl, `--namespace=${NAMESPACE}`, 'exec', pod],
    remove: () => removeNamespace(NAMESPACE),
  };
}

export interface Fleet {
  /** The operator's environment: a kubectl, and a HOME with a workers.yaml. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Stands for the fields of a real pod that are not read: volumes, conditions, annotations. */
const POD_PADDING = 'x'.repeat(8_000);

/**
 * Workers in a cluster that does not exist. `kubectl get pods` returns one pod for each, `kubectl exec` a recorded answer of the
 * local worker to a probe; for a worker whose name begins with `silent`, exec hangs until it is killed.
 *
 * @param names of the workers
 */
export function makeFleet({ dir, workerEnv, env }: LocalPlace, names: readonly string[]): Fleet {
  const { folder, nonce } = makeRecording(dir, workerEnv, names);
  writeFileSync(
    join(folder, 'kubectl'),
    `#!/usr/bin/env bash
for word in "$@"; do
  case $word in
    get) exec cat '${folder}/pods.json' ;;
    silent-*) exec sleep 1000 ;;
    =[0-9a-f]*) exec sed "s/^${nonce}/$word/" '${folder}/frame' ;;
  esac
done
exit 1
`,
    { mode: 0o755 },
  );
  return { env: { ...env, HOME: folder, KUBECTL: join(folder, 'kubectl') } };
}

export interface ServedFleet extends Fleet {
  stop(): void;
}

/**
 * The same workers behind an API server, which is a process of its own and answers at once; for the real kubectl.
 *
 * @param contexts that they are spread over, each with a namespace of its own
 * @returns null where there is no kubectl
 */
export async function serveFleet(
  { dir, workerEnv, env }: LocalPlace,
  names: readonly string[],
  contexts = 1,
): Promise<ServedFleet | null> {
  if (spawnSync(KUBECTL, ['version', '--client'], { env }).status !== 0) return null;
  const { folder, nonce } = makeRecording(dir, workerEnv, names, contexts);
  const words = ['--import', 'tsx', join(import.meta.dirname, 'fleet-server.ts'), folder, nonce];
  const server = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve) =>
    server.stdout.once('data', (line) => resolve(`${line}`.trim())),
  );
  const kubeconfig = {
    clusters: [{ name: 'fleet', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'fleet', user: { token: 'bench' } }],
    contexts: Array.from({ length: contexts }, (_, index) => ({
      name: `fleet-${index}`,
      context: { cluster: 'fleet', user: 'fleet', namespace: `factory-${index}` },
    })),
    'current-context': 'fleet-0',
  };
  mkdirSync(join(folder, '.kube'));
  writeFileSync(join(folder, '.kube/config'), JSON.stringify(kubeconfig));
  return { env: { ...env, HOME: folder, KUBECTL }, stop: () => void server.kill() };
}

/** In a folder: a recorded answer of the local worker (`frame`), pods (`pods.json`), and a HOME with a workers.yaml. */
function makeRecording(
  dir: string,
  workerEnv: LocalPlace['workerEnv'],
  names: readonly string[],
  contexts = 1,
): { readonly folder: string; readonly nonce: string } {
  const folder = mkdtempSync(join(dir, 'fleet-'));
  const nonce = newNonce();
  const [program, ...args] = scriptArgv(
    { script: 'look', args: ['brief'], timeoutMs: 30_000, signal: AbortSignal.timeout(30_000) },
    nonce,
  );
  writeFileSync(join(folder, 'frame'), execFileSync(program, args, { env: workerEnv }));
  const list = {
    apiVersion: 'v1',
    kind: 'PodList',
    metadata: { resourceVersion: '1' },
    items: names.map((name, index) => pod(name, `factory-${index % contexts}`)),
  };
  writeFileSync(join(folder, 'pods.json'), JSON.stringify(list));
  mkdirSync(join(folder, '.factory'));
  const entries = names.map(
    (name, index) =>
      `  - { name: ${name}, pod: ${name}, namespace: factory-${index % contexts}, context: fleet-${index % contexts} }\n`,
  );
  writeFileSync(join(folder, '.factory/workers.yaml'), `workers:\n${entries.join('')}`);
  return { folder, nonce };
}

function pod(name: string, namespace: string) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, annotations: { padding: POD_PADDING } },
    spec: { nodeName: 'node', containers: [{ name: 'worker', image: 'worker' }] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'worker', restartCount: 0, state: { running: {} } }],
    },
  };
}
