import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { list } from '../../scripts/list.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { processesWith } from '../support/processes.ts';
import { program } from '../support/program.ts';
import { type Outcome, run } from '../support/run-command.ts';
import { deleted, pod, podList, waiting } from '../transport/cluster.ts';

let worker: HandWorker;
let kubectl: FakeKubectl;
beforeAll(async () => {
  worker = await handWorker();
  await worker.bash(
    `tmux new-session -d -s orchestrator cat; tmux new-session -d -s 23-qa-1 cat; cd "$WORKER_REPOS_DIR/demo" && factory queue add 23 24 25 26 27 --intent x`,
  );
});
beforeEach(() => {
  kubectl = fakeKubectl();
});
afterEach(() => kubectl.remove());
afterAll(() => worker.remove());

interface Entry {
  readonly name: string;
  readonly pod?: string;
  readonly namespace?: string;
  readonly context?: string;
}

/** Runs list over workers in clusters, and on request the local one. */
function look(
  entries: readonly Entry[],
  args: readonly string[] = [],
  options: Parameters<typeof run>[2] = {},
): Promise<Outcome> {
  const file = join(worker.dir, 'many.yaml');
  const lines = entries.map(
    ({ name, pod: called = `factory-${name}`, namespace = 'factory', context = 'do-nyc1-factory' }) =>
      `  - {name: ${name}, pod: ${called}, namespace: ${namespace}, context: ${context}}\n`,
  );
  writeFileSync(file, `workers:\n  - {name: w, runtime: local, home: ${worker.dir}}\n${lines.join('')}`);
  return run(list, args, {
    ...options,
    env: { HOME: join(worker.dir, 'laptop'), FACTORY_WORKERS: file, KUBECTL: kubectl.path, ...options?.env },
  });
}

const here = (match: readonly string[]): Rule => ({ match, run: { env: worker.env, cwd: worker.dir } });
const rows = ({ stdout }: Outcome) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));

describe('list', () => {
  it('shows every worker in its state, from one question to each cluster', async () => {
    kubectl.setRules([
      {
        match: ['get', 'pods'],
        stdout: podList(
          pod(),
          pod({ of: 'factory-worker-2', status: waiting('ImagePullBackOff', 'no such image') }),
          pod({ of: 'factory-worker-3', status: waiting('CrashLoopBackOff', 'back-off 5m0s', 9) }),
          pod({ of: 'factory-worker-4', metadata: deleted('2026-03-02T11:00:00Z') }),
          pod({ of: 'factory-worker-5', status: { phase: 'Failed', reason: 'Evicted', message: 'disk' } }),
          pod({
            of: 'factory-worker-6',
            node: null,
            status: {
              phase: 'Pending',
              conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes' }],
            },
          }),
        ),
      },
      { match: ['get', 'deployment', 'factory-worker-7'], stdout: '{"metadata":{},"spec":{"replicas":0}}' },
      { match: ['get', 'deployment'], stdout: '' },
      here(['exec', 'factory-worker-1-*']),
    ]);
    const names = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => ({ name: `worker-${n}` }));
    const outcome = await look(names, [], { now: new Date('2026-03-02T12:00:00Z') });
    expect(rows(outcome)).toEqual([
      ['NAME', 'POD', 'STATUS', 'SESSIONS', 'QUEUE'],
      ['w', '(local)', 'running', 'orchestrator, qa', 'demo#23, demo#24, demo#25 +2'],
      ['worker-1', 'factory-worker-1', 'running', 'orchestrator, qa', 'demo#23, demo#24, demo#25 +2'],
      ['worker-2', 'factory-worker-2', 'image-pull', '-', '-'],
      ['worker-3', 'factory-worker-3', 'crash-looping', '-', '-'],
      ['worker-4', 'factory-worker-4', 'node-lost', '-', '-'],
      ['worker-5', 'factory-worker-5', 'stopped', '-', '-'],
      ['worker-6', 'factory-worker-6', 'pending', '-', '-'],
      ['worker-7', 'factory-worker-7', 'stopped', '-', '-'],
      ['worker-8', 'factory-worker-8', 'missing', '-', '-'],
    ]);
    // Those of the lost node and the one that is missing could not be asked.
    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toMatch(
      /^worker-4 is node-lost: should have stopped 3600s ago; its node does not answer\n {2}the node: kubectl /,
    );
    expect(outcome.stderr).toMatch(
      /^worker-8 is missing: no pod or Deployment factory-worker-8\n {2}what there is: kubectl --context do-nyc1-factory -n factory get deployments,pods\n/m,
    );
    expect(kubectl.calls().filter(({ argv }) => argv.includes('pods'))).toHaveLength(1);
    expect(kubectl.calls().filter(({ argv }) => argv.includes('exec'))).toHaveLength(1);
  });

  it('an API server that is dead is told once for all its workers, and each is called by its own name', async () => {
    const refused =
      'The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n';
    kubectl.setRules([{ code: 1, stderr: refused }]);
    const names = Array.from({ length: 20 }, (_, n) => ({ name: `worker-${n + 1}`, context: 'prod' }));
    const outcome = await look(names);
    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toBe(
      '20 workers unreachable (context prod, namespace factory): connection refused\n' +
        '  is the cluster up, and the VPN? test: kubectl --context prod get --raw /readyz\n',
    );
    const json = JSON.parse((await look(names, ['-o', 'json'])).stdout);
    expect(json.at(-1).problems[0].cause).toMatch(/^cannot list the pods of worker-20 \(context prod, /);
  });

  it('a cluster that is dead costs its own time-out and is a row; what it did last is remembered', async () => {
    kubectl.setRules([
      { match: ['--context=alive', 'get', 'pods'], stdout: podList(pod()) },
      { match: ['--context=dead', 'get', 'pods'], times: 1, stdout: podList(pod()) },
      { match: ['--context=dead'], times: 1, run: { env: worker.env, cwd: worker.dir } },
      { match: ['--context=dead'], hang: true, ignoreTerm: true },
      here(['exec']),
    ]);
    const dead = { name: 'worker-1', context: 'dead' };
    expect((await look([dead])).code).toBe(0);
    const outcome = await look(
      [dead, { name: 'worker-2', pod: 'factory-worker-1', context: 'alive' }],
      ['--timeout', '2s'],
    );
    expect(outcome.code).toBe(3);
    expect(rows(outcome).slice(1)).toEqual([
      ['w', '(local)', 'running', 'orchestrator, qa', 'demo#23, demo#24, demo#25 +2'],
      [
        'worker-1',
        'factory-worker-1',
        'unreachable',
        '-',
        expect.stringMatching(/^last seen \d+s ago: demo#23 \+4$/),
      ],
      ['worker-2', 'factory-worker-1', 'running', 'orchestrator, qa', 'demo#23, demo#24, demo#25 +2'],
    ]);
    expect(outcome.stderr).toContain(
      'cannot list the pods of worker-1 (context dead, namespace factory): no answer in time',
    );
  });

  it('five dead clusters among twenty cost one time-out together', async () => {
    kubectl.setRules([
      { match: ['--context=dead-*'], hang: true },
      { match: ['get', 'pods'], stdout: podList(pod()) },
      here(['exec']),
    ]);
    const entries = Array.from({ length: 15 }, (_, n) => ({
      name: `worker-${n}`,
      pod: 'factory-worker-1',
      context: n % 3 === 0 ? `dead-${n}` : 'alive',
    }));
    const outcome = await look(entries, ['--timeout', '8s']);
    expect(outcome.code).toBe(3);
    expect(rows(outcome).filter(([, , status]) => status === 'unreachable')).toHaveLength(5);
    expect(rows(outcome).filter(([, , status]) => status === 'running')).toHaveLength(11);
    const begun = kubectl.calls().filter(({ argv }) => argv.some((word) => word.includes('dead-')));
    const times = begun.map(({ startedAt }) => startedAt);
    expect(times).toHaveLength(5);
    // The last is begun before the first is given up.
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(8_000);
    expect(kubectl.mostAtOnce()).toBeLessThanOrEqual(8);
  });

  it.each<[string, Rule, string, RegExp]>([
    [
      'may not be listed',
      {
        stderr:
          'Error from server (Forbidden): pods is forbidden: User "ci" cannot list resource "pods" in API group "" in the namespace "factory"\n',
        code: 1,
      },
      'forbidden',
      /ask for the verb list on pods in namespace factory/,
    ],
    [
      'does not know us',
      { stderr: 'error: You must be logged in to the server (Unauthorized)\n', code: 1 },
      'unauthorized',
      /log in to the cluster again/,
    ],
    [
      'is not in the kubeconfig',
      { stderr: 'error: context "do-nyc1-factory" does not exist\n', code: 1 },
      'missing',
      /kubectl config get-contexts/,
    ],
    [
      'refuses the connection',
      {
        stderr:
          'The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n',
        code: 1,
      },
      'unreachable',
      /get --raw \/readyz/,
    ],
    [
      'is cut off in the middle of the list',
      { stdout: podList(pod()), cutAfter: 99 },
      'unreachable',
      /broke before its answer was whole/,
    ],
  ])('a cluster that %s', async (_, rule, status, hint) => {
    kubectl.setRules([rule]);
    const outcome = await look([{ name: 'worker-1' }], ['worker-1', '--no-headers']);
    expect(outcome.code).toBe(1);
    expect(rows(outcome)[0]?.[2]).toBe(status);
    expect(outcome.stderr).toMatch(hint);
  });

  it.each<[string, Rule]>([
    ['cut in the middle of the frame', { cutAfter: 200 }],
    ['ended early with success and nothing', { cutAfter: 0 }],
  ])('a worker whose answer was %s is unreachable, not empty', async (_, rule) => {
    kubectl.setRules(worker.cluster(rule));
    const outcome = await look([{ name: 'worker-1' }], ['worker-1', '-o', 'json']);
    expect(outcome.code).toBe(1);
    expect(JSON.parse(outcome.stdout)).toMatchObject([
      { name: 'worker-1', status: 'unreachable', queue: null, sessions: null },
    ]);
  });

  it('without kubectl says that, and nothing of the workers', async () => {
    const outcome = await look([{ name: 'worker-1' }], [], { env: { KUBECTL: '/dev/null/kubectl' } });
    expect([outcome.code, outcome.stdout]).toEqual([127, '']);
    expect(outcome.stderr).toMatch(/^error: .*kubectl.*\n {2}get it: /);
    expect((await look([], ['w', '-o', 'name'], { env: { KUBECTL: '/dev/null/kubectl' } })).code).toBe(0);
  });

  it('a local worker that was never made, or by another version, is a row', async () => {
    const file = join(worker.dir, 'local.yaml');
    const [none, newer] = [join(worker.dir, 'none'), join(worker.dir, 'config')];
    writeFileSync(join(newer, 'worker.json'), '{"schema":2,"env":{}}');
    writeFileSync(
      file,
      `workers:\n  - {name: a, runtime: local, home: ${none}}\n  - {name: b, runtime: local, home: ${newer}}\n`,
    );
    const outcome = await look([], ['--workers', file]);
    expect(outcome.code).toBe(3);
    expect(rows(outcome).slice(1)).toEqual([
      ['a', '(local)', 'missing', '-', '-'],
      ['b', '(local)', 'missing', '-', '-'],
    ]);
    expect(outcome.stderr).toContain(
      `there is no worker in ${none}\n  create it: factory-worker local up a `,
    );
    expect(outcome.stderr).toContain('update this checkout\n');
  });

  it('as JSON has the same keys always, and is empty as []', async () => {
    kubectl.setRules(worker.cluster());
    const { stdout } = await look([{ name: 'worker-1' }], ['-o', 'json']);
    const workers = JSON.parse(stdout) as Record<string, unknown>[];
    expect(workers.map(({ problems, ...rest }) => rest)).toEqual([
      {
        runtime: 'local',
        name: 'w',
        home: worker.dir,
        status: 'running',
        node: null,
        image: null,
        sessions: ['orchestrator', '23-qa-1'],
        queue: [23, 24, 25, 26, 27].map((issue) => ({ project: 'demo', issue, status: 'pending' })),
        lastSeen: null,
      },
      expect.objectContaining({
        name: 'worker-1',
        node: 'node-a',
        image: expect.stringContaining('@sha256:1111'),
      }),
    ]);
    const file = join(worker.dir, 'empty.yaml');
    writeFileSync(file, 'workers: []\n');
    expect(await look([], ['--workers', file, '-o', 'json'])).toEqual({
      code: 0,
      stdout: '[]\n',
      stderr: '',
    });
    expect(await look([], ['--workers', file])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('no workers in '),
    });
  });

  it('names alone ask nobody', async () => {
    const { code, stdout } = await look([{ name: 'worker-1' }], ['-o', 'name']);
    expect([code, stdout]).toEqual([0, 'w\nworker-1\n']);
    expect(kubectl.calls()).toEqual([]);
  });

  it('wide tells where, with what and since when', async () => {
    kubectl.setRules(worker.cluster());
    const outcome = await look([{ name: 'worker-1' }], ['worker-1', '-o', 'wide']);
    const [head = [], row = []] = rows(outcome);
    expect(head.slice(5)).toEqual(['CONTEXT', 'NAMESPACE', 'NODE', 'RESTARTS', 'CHECK-IN', 'IMAGE']);
    expect(row.slice(5)).toEqual([
      'do-nyc1-factory',
      'factory',
      'node-a',
      '0',
      expect.stringMatching(/^\d+[sm] ago$/),
      expect.stringContaining('factory-worker@'),
    ]);
  });

  it('tells ages by the clock of the worker, which may be a day off', async () => {
    // The worker's bash believes in another time, and so does what it wrote.
    const clock = Math.floor(Date.now() / 1000) - 86_400;
    const beat = JSON.parse(await worker.bash('cat "$WORKER_RUN_DIR/heartbeat.json"')) as Record<
      string,
      unknown
    >;
    const at = new Date((clock - 7) * 1000).toISOString();
    const run2 = join(worker.dir, 'run2');
    await worker.bash(
      `mkdir -p run2; cp run/boot.json run2; printf 'unset EPOCHREALTIME; EPOCHREALTIME=${clock},250000\\n' >off.bash`,
    );
    writeFileSync(join(run2, 'heartbeat.json'), JSON.stringify({ ...beat, startedAt: at, finishedAt: at }));
    kubectl.setRules([
      ...worker.cluster().slice(0, 1),
      {
        match: ['exec'],
        run: {
          env: { ...worker.env, WORKER_RUN_DIR: run2, BASH_ENV: join(worker.dir, 'off.bash') },
          cwd: worker.dir,
        },
      },
    ]);
    const outcome = await look([{ name: 'worker-1' }], ['worker-1', '-o', 'wide']);
    expect(rows(outcome)[1]?.[9]).toBe('7s ago');
  });

  it('on a terminal fills in the rows as they come', async () => {
    kubectl.setRules([{ match: ['--context=slow'], sleepSeconds: 2, code: 1 }, ...worker.cluster()]);
    const outcome = await look([{ name: 'worker-1' }, { name: 'worker-2', context: 'slow' }], [], {
      tty: ['stdout'],
      columns: 200,
      env: { NO_COLOR: '1' },
    });
    const first = outcome.stdout.split('\u001b[')[0] ?? '';
    expect(first).toMatch(/asking…/);
    expect(outcome.stdout.slice(outcome.stdout.lastIndexOf('NAME'))).not.toContain('asking…');
  });

  it.each([
    ['obey SIGTERM', false],
    ['ignore it', true],
  ])(
    'at Ctrl-C ends at once, with 130 and nothing left running, when the clusters hang and their kubectl %s',
    async (_, ignoreTerm) => {
      kubectl.setRules([{ hang: true, ignoreTerm }]);
      const file = join(worker.dir, 'hang.yaml');
      const entries = [1, 2, 3, 4].map(
        (n) => `  - {name: worker-${n}, pod: p, namespace: n, context: c-${n}}\n`,
      );
      writeFileSync(file, `workers:\n${entries.join('')}`);
      const [node, ...args] = program('list');
      const child = spawn(node, [...args, '--workers', file, '--timeout', '1h'], {
        env: { PATH: process.env['PATH'], KUBECTL: kubectl.path, HOME: worker.dir },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      await expect.poll(() => kubectl.calls().length).toBe(4);
      child.kill('SIGINT');
      const [code] = (await once(child, 'exit')) as [number];
      expect(code).toBe(130);
      await expect.poll(() => processesWith(`KUBECTL=${kubectl.path}`)).toEqual([]);
    },
  );

  it('with --watch looks again until Ctrl-C, as JSON a line each time', async () => {
    kubectl.setRules(worker.cluster());
    const outcome = await look([], ['w', '--watch', '--interval', '10ms', '-o', 'json'], {
      interruptAt: ']\n[',
    });
    expect(outcome.code).toBe(130);
    const documents = outcome.stdout.trimEnd().split('\n');
    expect(documents.length).toBeGreaterThan(1);
    for (const document of documents) expect(JSON.parse(document)).toHaveLength(1);
  });

  it.each([
    [['-o', 'xml'], /--output takes table, wide, json, yaml, name; not "xml"/],
    [['--concurrency', '0'], /--concurrency takes a number/],
    [['--timeout', 'soon'], /--timeout: "soon" is not a duration/],
    [['worker-9'], /no worker "worker-9"[\s\S]*did you mean worker-1\?/],
    [['--json', '-o', 'wide'], /cannot be used together/],
  ])('%j is a usage error: exit 2, no worker is asked', async (args, message) => {
    const outcome = await look([{ name: 'worker-1' }], args);
    expect([outcome.code, outcome.stdout]).toEqual([2, '']);
    expect(outcome.stderr).toMatch(message);
    expect(kubectl.calls()).toEqual([]);
  });
});

describe('of a worker with a long queue', () => {
  it('of 2,000 rows, list shows the first and counts the rest', async () => {
    const many = await handWorker();
    await many.bash('cd "$WORKER_REPOS_DIR/demo" && factory queue add 1 --intent x');
    await many.sql(
      "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO issue_queue (issue, status, position, feature_intent) SELECT i, 'pending', i, printf('%.100c', 'x') FROM n",
    );
    const outcome = await run(list, ['w'], { env: many.laptop });
    await many.remove();
    expect(outcome.code).toBe(0);
    expect(rows(outcome)[1]?.[4]).toBe('demo#1, demo#2, demo#3 +1997');
  });

  it('that cannot be read, list says so', async () => {
    const broken = await handWorker({ dialect: 'c' });
    const table = await run(list, ['w'], { env: broken.laptop });
    const json = await run(list, ['w', '--json'], { env: broken.laptop });
    await broken.remove();
    expect(rows(table)[1]?.slice(2)).toEqual(['stuck', '-', '?']);
    expect(table.stderr).toMatch(
      /^w is stuck: factory cannot read its queue: DATABASE_URL .*\n {2}more: factory-worker status w\n$/,
    );
    expect(json.stderr).toBe('');
    expect(JSON.parse(json.stdout)).toMatchObject([{ status: 'stuck', queue: null }]);
  });
});
