/** A worker as Kubernetes and its own programs know it: what a test verifies must not go through the commands it tests. */
import { read } from './api.ts';
import { kubectl, kubectlWith, until } from './cluster.ts';

export interface TestWorker {
  /** Of the release, and in workers.yaml. */
  readonly name: string;
  readonly namespace: string;
  /** What `pod:` says. */
  readonly pod: string;
}

export interface PodObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly containers: readonly { readonly name: string; readonly image: string }[] };
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly restartCount: number;
  readonly lastState: { readonly terminated?: { readonly reason: string; readonly exitCode: number } };
}

/** The pods of a worker, those on their way out among them. */
export async function podsOf({ namespace, name }: TestWorker): Promise<PodObject[]> {
  // `helm test` leaves a pod of the same release.
  const selector = `app.kubernetes.io/name=factory-worker,app.kubernetes.io/instance=${name}`;
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`;
  return (await read<{ items: PodObject[] }>(path)).items;
}

/** One of them. @throws when it is gone */
export function getPod({ namespace }: TestWorker, pod: string): Promise<PodObject> {
  return read(`/api/v1/namespaces/${namespace}/pods/${pod}`);
}

/** Neither being deleted nor over: what an eviction leaves stays there beside its successor. */
const isCurrent = ({ metadata, status }: PodObject) =>
  metadata.deletionTimestamp === undefined && !['Succeeded', 'Failed'].includes(status.phase);

const isReady = ({ status }: PodObject) =>
  status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;

/** The one pod of a worker that is neither being deleted nor over, once it is Ready. @returns its name */
export function readyPod(worker: TestWorker, otherThan = ''): Promise<string> {
  return until(`${worker.name} has a pod, which is Ready`, 200, async () => {
    const [pod, ...others] = (await podsOf(worker)).filter(isCurrent);
    return pod && others.length === 0 && pod.metadata.name !== otherThan && isReady(pod) && pod.metadata.name;
  });
}

/** Whether a worker has one pod, which is Ready. */
export async function isUp(worker: TestWorker): Promise<boolean> {
  const [pod, ...others] = await podsOf(worker);
  return (
    pod !== undefined && isReady(pod) && others.length === 0 && pod.metadata.deletionTimestamp === undefined
  );
}

/** Deletes a pod, and does not wait for its end. */
export async function deletePod({ namespace }: TestWorker, pod: string, ...flags: string[]): Promise<void> {
  await kubectl('-n', namespace, 'delete', 'pod', pod, '--wait=false', ...flags);
}

/** For `deletePod`: as a node that is gone, or somebody impatient, does it. */
export const WITHOUT_GRACE = ['--grace-period=0', '--force'];

/** Waits until the container of a pod has been started again, for the first time. @returns what Kubernetes says of it */
export function restarted(worker: TestWorker, pod: string): Promise<ContainerStatus> {
  return until('the container is back', 60, async () => {
    const container = await containerOf(worker, pod);
    return container && container.restartCount > 0 ? container : undefined;
  });
}

/** The chart's name of the worker's container: a webhook may have put others before it. */
const CONTAINER = 'worker';

/** The worker's own among what Kubernetes says of the containers of a pod. */
export const ownOf = <T extends { readonly name: string }>(
  containers: readonly T[] | undefined,
): T | undefined => containers?.find(({ name }) => name === CONTAINER);

/** What Kubernetes says of the worker's container of a pod. */
export async function containerOf(worker: TestWorker, pod: string): Promise<ContainerStatus | undefined> {
  return ownOf((await getPod(worker, pod)).status.containerStatuses);
}

/** Runs bash in the worker, by a plain kubectl exec. @returns its stdout */
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

/** Prints the memory limit of a group inside, of cgroup v2 or v1. */
export const limitOf = (group: string) =>
  `cat /sys/fs/cgroup${group}/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory${group}/memory.limit_in_bytes`;
/** The worker's own. */
export const MEMORY_LIMIT = limitOf('');

/** Prints the names of the tmux sessions, one a line. */
export const LIST_SESSIONS = 'tmux list-sessions -F "#{session_name}"';

/** Waits until an agent is at work on an issue, or on any: its session is there. */
export async function atWork(worker: TestWorker, issue?: number): Promise<void> {
  const session = new RegExp(`^${issue ?? '\\d+'}-`, 'm');
  await until(`an agent works on ${issue ?? 'anything'}`, 90, async () =>
    session.test(await inWorker(worker, LIST_SESSIONS)),
  );
}

/** Changes settings of the stand-ins (examples/README.md) until the container ends. */
export async function setStandins(worker: TestWorker, ...settings: string[]): Promise<void> {
  await inWorker(worker, `printf '%s\\n' ${settings.join(' ')} >/root/.factory-standin`);
}

/** Outside of the state's volume: like the settings, it ends with the container. */
const GO_ON = '/root/go-on';

/** Lets no agent finish before `letAgentsGoOn`, so that the test decides when a stage ends; until the container ends. */
export async function holdAgents(worker: TestWorker): Promise<void> {
  await inWorker(worker, `rm --force ${GO_ON}`);
  await setStandins(worker, `STANDIN_CLAUDE_WAIT_FOR=${GO_ON}`);
}

/** Those that are held, and all that begin afterwards. @param pod where there is more than one */
export async function letAgentsGoOn(worker: TestWorker, pod?: string): Promise<void> {
  await inPod(worker, pod ?? (await readyPod(worker)), `touch ${GO_ON}`);
}

/** Whether the worker's own drain file is there. */
export async function isDrained(worker: TestWorker): Promise<boolean> {
  const answer = await inWorker(worker, 'test -e "$WORKER_STATE_DIR/drain" && echo yes || echo no');
  return answer === 'yes\n';
}

interface QueueRow {
  readonly Issue: number;
  readonly Status: string;
}

/** A build for PostgreSQL finds its database by a variable that `kubectl exec` does not set. */
const WITH_URL = 'export DATABASE_URL="$(cat "$WORKER_RUN_DIR/database-url" 2>/dev/null)"';

/** Runs SQL on the database of a worker with PostgreSQL. @returns the rows, as lines */
export async function query(worker: TestWorker, sql: string): Promise<string> {
  return (await inWorker(worker, `${WITH_URL}; psql -XqAt "$DATABASE_URL" -c "${sql}"`)).trim();
}

/** The worker's queue, as its own program lists it. */
export async function rowsOf(worker: TestWorker): Promise<readonly QueueRow[]> {
  const text = await inWorker(worker, `${WITH_URL}; factory queue list --format json`);
  return (JSON.parse(text || '[]') as QueueRow[] | null) ?? [];
}

/** Issue numbers in the worker's queue, the smallest first. */
export async function queueOf(worker: TestWorker): Promise<number[]> {
  return (await rowsOf(worker)).map(({ Issue }) => Issue).toSorted((a, b) => a - b);
}

/** An issue as factory itself tells of it; nothing before it was taken up. */
export async function pipelineOf(worker: TestWorker, issue: number): Promise<Pipeline | undefined> {
  const ask = `${WITH_URL}; cd /root/.factory/repos/demo && factory status --format json`;
  const pipelines = JSON.parse(await inWorker(worker, ask)) as Pipeline[] | null;
  return pipelines?.find((row) => row.issue === issue);
}

interface Pipeline {
  readonly issue: number;
  readonly status: string;
  readonly stage: string;
  readonly stage_history?: readonly { readonly stage: string; readonly attempt: number }[];
}

/**
 * Waits until an issue has come to its end: its row says so, or is gone, where a fault came between its last stage and the row;
 * and its last stage's work is committed.
 */
export async function finished(worker: TestWorker, issue: number, seconds = 150): Promise<void> {
  await until(`#${issue} is finished`, seconds, async () => {
    const row = (await rowsOf(worker)).find(({ Issue }) => Issue === issue);
    if (row !== undefined && row.Status !== 'completed') throw new Error(`its row: ${JSON.stringify(row)}`);
    return true;
  });
  // Not --all: it reads each worktree's HEAD, which is no commit yet while `git worktree add` is at work (git 2.39).
  const log = await inWorker(worker, 'git -C /root/.factory/repos/demo log --branches --remotes --format=%s');
  if (!log.includes(`issue #${issue}: review`)) throw new Error(`no work of #${issue}'s last stage:\n${log}`);
}

/** The database is whole, and no issue is in the queue twice. */
export async function assertSound(worker: TestWorker): Promise<void> {
  const answer = await inWorker(
    worker,
    // factory makes the file with its first row, and not at all where it keeps its state in PostgreSQL.
    // A process that opens or closes a database in WAL mode locks it for a moment, even for those that only read.
    `${WITH_URL}; cd /root/.factory; twice="SELECT issue FROM issue_queue GROUP BY issue HAVING count(*) > 1"
     if [ -n "$DATABASE_URL" ]; then echo ok; psql -XqAt "$DATABASE_URL" -c "$twice"
     elif [ ! -s factory.db ]; then echo ok
     else sqlite3 factory.db ".timeout 10000" "PRAGMA integrity_check; $twice"; fi`,
  );
  if (answer.trim() !== 'ok') throw new Error(`the database of ${worker.name}: ${answer}`);
}
