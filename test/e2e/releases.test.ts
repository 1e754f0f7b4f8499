/** The chart on a real API server: what it installs, upgrades, tests, and leaves behind. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
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
import { CHART, HELD, helm, install, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace, useSite } from './site.ts';
import { assertSound, inWorker, queueOf, readyPod } from './worker.ts';

const run = promisify(execFile);
const { worker, operator } = useSite('fwc-releases');
const { name, namespace } = worker;

/** `helm upgrade` as the release command does it: what is not named stays. */
const upgrade = (...args: string[]) =>
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
      `--namespace=${namespace}`,
      `--values=${file}`,
    );
    const args = ['-n', namespace, 'apply', '--dry-run=server', '--warnings-as-errors', '--filename=-'];
    expect(await kubectlWith(rendered, ...args)).toContain(
      'deployment.apps/factory-dry created (server dry run)',
    );
  });
});

describe('helm test', () => {
  it('passes for a worker that is ready, and cleans up after itself', async () => {
    const said = await helm('test', name, `--namespace=${namespace}`, '--logs');
    saw('helm test', said);
    expect(said).toContain('Succeeded');
    expect(await kubectl('-n', namespace, 'get', 'role,rolebinding', '--output=name')).not.toContain('-test');
  });
});

describe('upgrades', () => {
  it('a project and an interval are added: nothing restarts, no session is lost, the project is cloned', async () => {
    const pod = await readyPod(worker);
    await inWorker(worker, 'tmux new-session -d -s mine "exec sleep 3600"');
    await upgrade(
      '--set=orchestrator.interval=5s',
      '--set-json=projects=[{"name":"demo","repo":"file:///srv/demo.git"},{"name":"other","repo":"file:///srv/demo.git"}]',
    );
    await until('the new project is there', 120, () =>
      inWorker(worker, 'test -e /root/.factory/repos/other/pipeline.yaml && echo yes'),
    );
    expect(await readyPod(worker)).toBe(pod);
    const row = await operator.row(worker);
    expect(row.sessions).toContain('mine');
    expect(await inWorker(worker, 'cat "$WORKER_RUN_DIR/heartbeat.json"')).toContain('"intervalSeconds":5');
  });

  it('what the pod is made of changes: a new pod, with the queue of the old one', async () => {
    expect(await operator.dispatch(worker, 7)).toExitWith(0);
    const pod = await readyPod(worker);
    await upgrade('--set=resources.limits.memory=900Mi', '--set=podLabels.tier=test');
    const fresh = await readyPod(worker, pod);
    const label = ['get', 'pod', fresh, '--output=jsonpath={.metadata.labels.tier}'];
    expect(await kubectl('-n', namespace, ...label)).toBe('test');
    expect(await queueOf(worker)).toEqual([7]);
    await assertSound(worker);
  });

  it('what the chart refuses is refused before anything changes', async () => {
    const pod = await readyPod(worker);
    const refused = await upgrade('--set=terminationGracePeriodSeconds=10').catch(
      (error: { stderr: string }) => error.stderr,
    );
    saw('helm upgrade with values that the chart refuses', refused);
    expect(refused).toContain('terminationGracePeriodSeconds');
    expect(await readyPod(worker)).toBe(pod);
  });
});

it('uninstalled and installed again with the volume kept: queue, clones and history are there', async () => {
  const before = await inWorker(worker, 'git -C /root/.factory/repos/other rev-parse HEAD');
  const said = await helm('uninstall', name, `--namespace=${namespace}`, '--wait');
  saw('helm uninstall', said);
  expect(said).toContain(`${worker.pod}-data`);
  // Helm waits for what it has made itself; the pod still stops in order.
  const shown = new Set<string>();
  await until('the pod has ended', 60, async () => {
    const { status } = await operator.row(worker);
    shown.add(status);
    return status === 'missing';
  });
  // It is as it was until the garbage collector has found that its ReplicaSet is gone.
  expect([...shown].filter((status) => status !== 'draining' && status !== HELD)).toEqual(['missing']);
  saw('helm uninstall: list', await operator.list());
  await install(worker);
  expect(await queueOf(worker)).toEqual([7]);
  expect(await inWorker(worker, 'git -C /root/.factory/repos/other rev-parse HEAD')).toBe(before);
  expect((await operator.row(worker)).status).toBe(HELD);
  await assertSound(worker);
});

// Defaults are privileged and name an image without a registry: only a node of ours has one of that name.
describe.skipIf(FOREIGN !== null)('without any values', () => {
  const bare = workerIn('fwc-defaults', 'worker-1');
  const charts = join(SCRATCH, 'ct');
  useNamespace('fwc-defaults');
  beforeAll(() => {
    rmSync(charts, { recursive: true, force: true });
    mkdirSync(charts, { recursive: true });
    cpSync(join(ROOT, CHART), join(charts, 'factory-worker'), { recursive: true });
    // The others name images and claims that are nowhere.
    for (const file of readdirSync(join(charts, 'factory-worker', 'ci')))
      if (file !== 'default-values.yaml') rmSync(join(charts, 'factory-worker', 'ci', file));
  });

  it('ct install: the worker with its Docker becomes ready, and helm test agrees', async () => {
    const tools = join(ROOT, '.cache', 'tools');
    const kubeconfig = join(SCRATCH, 'ct.kubeconfig');
    cpSync(KUBECONFIG, kubeconfig);
    await kubectl('config', `--kubeconfig=${kubeconfig}`, 'use-context', CONTEXT);
    const args = ['install', '--config', 'ct.yaml', '--charts', join(charts, 'factory-worker')];
    const { stdout, stderr } = await run(
      join(tools, 'ct'),
      [...args, '--namespace', bare.namespace, '--release-label', 'app.kubernetes.io/instance'],
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
    await helm('install', bare.name, CHART, `--namespace=${bare.namespace}`, '--wait', '--timeout=180s');
    const other = Operator.of([bare]);
    const row = await until('it has looked at its credentials', 60, async () => {
      const found = await other.row(bare);
      return found.problems.length > 0 ? found : undefined;
    });
    saw('installed without any values: list', JSON.stringify(row, null, 1));
    expect(row.status).toBe('degraded');
    expect(JSON.stringify(row.problems)).toContain('GH_TOKEN');
    const mode = ['get', 'pvc', 'factory-worker-1-data', '--output=jsonpath={.status.accessModes[0]}'];
    expect(await kubectl('-n', bare.namespace, ...mode)).toBe('ReadWriteOncePod');
  });
});
