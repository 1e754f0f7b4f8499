/** The cluster of the tests: its kubectl and its kubeconfigs. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pinnedKubectl } from '../charts/pinned-helm.ts';

const run = promisify(execFile);

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = join(ROOT, '.cache', 'cluster');
/**
 * A cluster that is not ours (`make e2e CONTEXT=… NAMESPACE=…`): only what harms nobody is run there, in a namespace that
 * exists. Null: the test cluster.
 */
export const FOREIGN = process.env['E2E_CONTEXT']
  ? { context: process.env['E2E_CONTEXT'], namespace: process.env['E2E_NAMESPACE'] ?? '' }
  : null;
export const CONTEXT = FOREIGN?.context ?? 'factory-worker-test';
/** Files of one test run, outside of the checkout's tracked part. */
export const SCRATCH = join(CACHE, 'e2e');

/** $KUBECTL, the one on PATH, or the pinned one. */
export const KUBECTL = findKubectl();

export const KUBECONFIG = FOREIGN ? ownCopy(FOREIGN.context) : join(CACHE, 'kubeconfig');

/** One file, whatever kubectl puts the operator's configuration together from. */
function ownCopy(context: string): string {
  const args = ['config', 'view', '--raw', '--minify', '--flatten', `--context=${context}`];
  mkdirSync(SCRATCH, { recursive: true });
  const path = join(SCRATCH, 'foreign.kubeconfig');
  writeFileSync(path, execFileSync(KUBECTL, args), { mode: 0o600 });
  return path;
}

function findKubectl(): string {
  if (process.env['KUBECTL']) return process.env['KUBECTL'];
  try {
    return execFileSync('/bin/sh', ['-c', 'command -v kubectl'], { encoding: 'utf8' }).trim();
  } catch {
    return pinnedKubectl() ?? 'kubectl';
  }
}

/**
 * Runs kubectl as the cluster's administrator.
 *
 * @returns what it printed
 * @throws when it fails
 */
export async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await run(KUBECTL, [`--kubeconfig=${KUBECONFIG}`, `--context=${CONTEXT}`, ...args], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** The same, with something on standard input. */
export async function kubectlWith(input: string | Buffer, ...args: string[]): Promise<string> {
  const child = spawn(KUBECTL, [`--kubeconfig=${KUBECONFIG}`, `--context=${CONTEXT}`, ...args]);
  const said: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
  child.stdin.end(input);
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${Buffer.concat(complaints).toString()}`);
  return Buffer.concat(said).toString();
}

/** Applies manifests. JSON is YAML, and a list of objects is a manifest of `kind: List`. */
export async function apply(...objects: readonly object[]): Promise<void> {
  mkdirSync(SCRATCH, { recursive: true });
  const file = join(SCRATCH, `apply-${crypto.randomUUID()}.json`);
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  await kubectl('apply', '--filename', file);
}

export async function getObject<T>(namespace: string, kind: string, name: string): Promise<T> {
  return JSON.parse(await kubectl('--namespace', namespace, 'get', kind, name, '--output=json')) as T;
}

/**
 * Asks again and again until the answer is something.
 *
 * @param what completes "not within … s: …"
 * @param probe gives the value; undefined, false and a thrown error mean: not yet
 * @throws when the time is over, with the last error
 */
export async function until<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let last = '';
  for (let pause = 250; ; pause = Math.min(1_000, pause * 1.2)) {
    const asked = Date.now();
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = `: ${(error as Error).message}`;
    }
    if (Date.now() > end) throw new Error(`not within ${seconds}s: ${what}${last}`);
    // What takes long, or long to ask, is asked less often: the answers come from the machine that is waited for.
    await sleep(Math.max(pause, Date.now() - asked));
  }
}

interface Kubeconfig {
  readonly clusters: { cluster: { server: string; 'tls-server-name'?: string } }[];
  readonly users: { user: Record<string, unknown> }[];
}

/** The administrator's kubeconfig, with one cluster and all certificates in it. */
function ownKubeconfig(): Kubeconfig {
  const view = ['config', 'view', '--raw', '--minify', '--flatten', '--output=json'];
  return JSON.parse(
    execFileSync(KUBECTL, [`--kubeconfig=${KUBECONFIG}`, `--context=${CONTEXT}`, ...view], {
      encoding: 'utf8',
    }),
  ) as Kubeconfig;
}

/**
 * A kubeconfig like the administrator's, at another address, or for somebody else.
 *
 * @returns its path
 */
export function kubeconfigWith(name: string, { port, token }: { port?: number; token?: string }): string {
  mkdirSync(SCRATCH, { recursive: true });
  const config = ownKubeconfig();
  for (const { cluster } of config.clusters) {
    if (port === undefined) continue;
    // The certificate is the real server's.
    cluster['tls-server-name'] = new URL(cluster.server).hostname;
    cluster.server = `https://127.0.0.1:${port}`;
  }
  for (const entry of config.users) if (token !== undefined) entry.user = { token };
  const path = join(SCRATCH, `${name}.kubeconfig`);
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}

/** Host and port of the API server. */
export function apiServer(): { host: string; port: number } {
  const { hostname, port } = new URL(ownKubeconfig().clusters[0]?.cluster.server ?? '');
  return { host: hostname, port: Number(port || 443) };
}

export function clusterIsThere(): boolean {
  return existsSync(KUBECONFIG);
}
