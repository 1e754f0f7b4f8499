/** The chart on a real API server: what it installs, upgrades, tests, and leaves behind. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
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
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import {
  assertSound,
  CHART,
  HELD,
  helm,
  installWorker,
  inWorker,
  listOne,
  makeNamespace,
  queueOf,
  readyPod,
  removeNamespace,
  type TestWorker,
  workersFile,
} from './worker.ts';

const run = promisify(execFile);
const site = useSite('fwc-releases');

/** `helm upgrade` as the release command does it: what is not named stays. */
const upgrade = ({ name, namespace }: TestWorker, ...args: string[]) =>
  helm('upgrade', name, CHART, `--namespace=${namespace}`, '--reset-then-reuse-values', '--wait', ...args);

describe('every set of values that the chart is linted with', () => {
  const files = ['charts/factory-worker/ci', 'examples/values'].flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((file) => join(folder, file)),
  );

  it.each(files)('%s is accepted by the API server, warnings included', async (file) => {
    const rendered = await helm(
      'template',
      'dry',
      CHART,
      // The test's pod needs its ServiceAccount; `helm test` below makes both.
      '--no-hooks',
      `--namespace=${site.worker.namespace}`,
      `--values=${file}`,
    );
    const args = [
      '-n',
      site.worker.namespace,
      'apply',
      '--dry-run=server',
      '--warnings-as-errors',
      '--filename=-',
    ];
    expect(await kubectlWith(rendered, ...args)).toContain(
      'deployment.apps/factory-dry created (server dry run)',
    );
  });
});

describe('helm test', () => {
  it('passes for a worker that is ready, and cleans up after itself', async () => {
    const { name, namespace } = site.worker;
    const said = await helm('test', name, `--namespace=${namespace}`, '--logs');
    saw('helm test', said);
    expect(said).toContain('Succeeded');
    expect(await kubectl('-n', namespace, 'get', 'role,rolebinding', '--output=name')).not.toContain('-test');
  });
});

describe('upgrades', () => {
  it('a project and an interval are added: nothing restarts, no session is lost, the project is cloned', async () => {
    const pod = await readyPod(site.worker);
    await inWorker(site.worker, 'tmux new-session -d -s mine "exec sleep 3600"');
    await upgrade(
      site.worker,
      '--set=orchestrator.interval=5s',
      '--set-json=projects=[{"name":"demo","repo":"file:///srv/demo.git"},{"name":"other","repo":"file:///srv/demo.git"}]',
    );
    await until('the new project is there', 120, () =>
      inWorker(site.worker, 'test -e /root/.factory/repos/other/pipeline.yaml && echo yes'),
    );
    expect(await readyPod(site.worker)).toBe(pod);
    const row = await listOne(site.worker, site.file);
    expect(row.sessions).toContain('mine');
    expect(await inWorker(site.worker, 'cat "$WORKER_RUN_DIR/heartbeat.json"')).toContain(
      '"intervalSeconds":5',
    );
  });

  it('what the pod is made of changes: a new pod, with the queue of the old one', async () => {
    expect((await site.dispatch(7)).code).toBe(0);
    const pod = await readyPod(site.worker);
    await upgrade(site.worker, '--set=resources.limits.memory=900Mi', '--set=podLabels.tier=test');
    const fresh = await readyPod(site.worker, pod);
    const label = ['get', 'pod', fresh, '--output=jsonpath={.metadata.labels.tier}'];
    expect(await kubectl('-n', site.worker.namespace, ...label)).toBe('test');
    expect(await queueOf(site.worker)).toEqual([7]);
    await assertSound(site.worker);
  });

  it('what the chart refuses is refused before anything changes', async () => {
    const pod = await readyPod(site.worker);
    const refused = await upgrade(site.worker, '--set=terminationGracePeriodSeconds=10').catch(
      (error: { stderr: string }) => error.stderr,
    );
    saw('helm upgrade with values that the chart refuses', refused);
    expect(refused).toContain('terminationGracePeriodSeconds');
    expect(await readyPod(site.worker)).toBe(pod);
  });
});

it('uninstalled and installed again with the volume kept: queue, clones and history are there', async () => {
  const { name, namespace } = site.worker;
  const before = await inWorker(site.worker, 'git -C /root/.factory/repos/other rev-parse HEAD');
  const said = await helm('uninstall', name, `--namespace=${namespace}`, '--wait');
  saw('helm uninstall', said);
  expect(said).toContain(`${site.worker.pod}-data`);
  // Helm waits for what it has made itself; the pod still stops in order.
  await until('the pod has ended', 60, async () => {
    const { status } = await listOne(site.worker, site.file);
    expect(status).toMatch(/^(draining|missing)$/);
    return status === 'missing';
  });
  saw('helm uninstall: list', await site.list());
  const again = await installWorker(site.namespace, 'worker-1');
  expect(await queueOf(again)).toEqual([7]);
  expect(await inWorker(again, 'git -C /root/.factory/repos/other rev-parse HEAD')).toBe(before);
  expect((await listOne(again, site.file)).status).toBe(HELD);
  await assertSound(again);
});

// Defaults are privileged and name an image without a registry: only a node of ours has one of that name.
describe.skipIf(FOREIGN !== null)('without any values', () => {
  const namespace = 'fwc-defaults';
  const charts = join(SCRATCH, 'ct');
  beforeAll(async () => {
    await makeNamespace(namespace);
    rmSync(charts, { recursive: true, force: true });
    mkdirSync(charts, { recursive: true });
    cpSync(join(ROOT, CHART), join(charts, 'factory-worker'), { recursive: true });
    // The others name images and claims that are nowhere.
    for (const file of readdirSync(join(charts, 'factory-worker', 'ci')))
      if (file !== 'default-values.yaml') rmSync(join(charts, 'factory-worker', 'ci', file));
  });
  afterAll(() => removeNamespace(namespace));

  it('ct install: the worker with its Docker becomes ready, and helm test agrees', async () => {
    const tools = join(ROOT, '.cache', 'tools');
    const kubeconfig = join(SCRATCH, 'ct.kubeconfig');
    cpSync(KUBECONFIG, kubeconfig);
    await kubectl('config', `--kubeconfig=${kubeconfig}`, 'use-context', CONTEXT);
    const args = ['install', '--config', 'ct.yaml', '--charts', join(charts, 'factory-worker')];
    const { stdout, stderr } = await run(
      join(tools, 'ct'),
      [...args, '--namespace', namespace, '--release-label', 'app.kubernetes.io/instance'],
      {
        cwd: ROOT,
        env: {
          ...process.env,
          KUBECONFIG: kubeconfig,
          PATH: `${tools}:${join(KUBECTL, '..')}:${process.env['PATH']}`,
        },
        maxBuffer: 64 * 1024 * 1024,
      },
    ).catch((error: { stdout: string; stderr: string }) => {
      throw new Error(`ct install failed:\n${error.stdout}\n${error.stderr}`.slice(-8000));
    });
    saw('ct install with the bare defaults', (stdout + stderr).slice(-3000));
    expect(stdout + stderr).toContain('All charts installed successfully');
  });

  it('a worker on a volume of its own, ReadWriteOncePod, without any secret: it says what is missing', async () => {
    await helm('install', 'worker-1', CHART, `--namespace=${namespace}`, '--wait', '--timeout=180s');
    const bare = { name: 'worker-1', namespace, pod: 'factory-worker-1' };
    const file = workersFile([bare]);
    const row = await until('it has looked at its credentials', 60, async () => {
      const found = await listOne(bare, file);
      return found.problems.length > 0 ? found : undefined;
    });
    saw('installed without any values: list', JSON.stringify(row, null, 1));
    expect(row.status).toBe('degraded');
    expect(JSON.stringify(row.problems)).toContain('GH_TOKEN');
    const mode = ['get', 'pvc', 'factory-worker-1-data', '--output=jsonpath={.status.accessModes[0]}'];
    expect(await kubectl('-n', namespace, ...mode)).toBe('ReadWriteOncePod');
  });
});
