import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { status } from '../../scripts/status.ts';
import { why } from '../../scripts/why.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';
import { deleted, nodeSilent, pod, podList, running, waiting } from '../transport/cluster.ts';

let worker: HandWorker;
let kubectl: FakeKubectl;
beforeAll(async () => {
  worker = await handWorker({ projects: ['demo', 'shop'] });
  await worker.bash('tmux new-session -d -s orchestrator cat');
  kubectl = fakeKubectl();
});
afterEach(() => worker.reset());
afterAll(async () => {
  kubectl.remove();
  await worker.remove();
});

const look = (args: readonly string[] = ['w']) =>
  run(status, args, { env: { ...worker.laptop, KUBECTL: kubectl.path } });
const write = (name: string, document: unknown) =>
  writeFile(join(worker.dir, name), typeof document === 'string' ? document : JSON.stringify(document));
const queue = (...issues: number[]) =>
  worker.bash(
    `cd "$WORKER_REPOS_DIR/demo" && factory queue add ${issues.join(' ')} --intent "Users can log in"; for n in ${issues.join(' ')}; do echo '{"issue":'$n',"project":"demo"}' >>"$WORKER_STATE_DIR/dispatch.jsonl"; done`,
  );
const checkIn = () =>
  worker.bash('cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in --format json');

describe('status', () => {
  it('of a worker at work shows what it does, where to look in, and nothing to worry about', async () => {
    await queue(7, 23, 24);
    await checkIn();
    await checkIn();
    await checkIn();
    await worker.bash('tmux new-session -d -s 23-one-1 cat');
    const { code, stdout, stderr } = await look();
    await worker.bash('tmux kill-session -t =23-one-1');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')[0]).toBe(`w: running (on this machine, ${worker.dir})`);
    expect(stdout).not.toContain('!');
    expect(stdout).toMatch(
      /\nQUEUE {4}STATE {6}STAGE {12}INTENT\ndemo#23 {2}active {5}one \(attempt 1\) {2}Users can log in\ndemo#24 {2}pending {4}- {16}Users can log in\ndemo#7 {3}completed {2}one \(attempt 1\) {2}Users can log in\n/,
    );
    expect(stdout).toMatch(
      /\nSESSION {7}STATE +AGE +ATTACHED\norchestrator {2}active - last output \d+s ago {2}\d+s +-\n23-one-1/,
    );
    expect(stdout).toMatch(/\nCHECK-IN {2}\d+s ago; every 30s\n/);
    expect(stdout).toMatch(
      /\nPROJECTS {2}demo, shop\nDISK {6}[\d.]+[KMGT]iB free of [\d.]+[KMGT]iB on \/.*\nFACTORY {3}dialect A\n/,
    );
    expect(stdout).toContain('\nlook in: factory-worker peek w --session 23-one-1\n');
  });

  it('of an idle worker says so, and of one that does not run not that it is up', async () => {
    expect(await look(['w', '--exit-code'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('\nCHECK-IN  idle: nothing to do\n'),
    });
    expect((await look()).stdout).toMatch(/\n {2}up for \d+s/);
    const still = await handWorker({ up: false });
    await writeFile(
      join(still.dir, 'run', 'boot.json'),
      await worker.bash('cat "$WORKER_RUN_DIR/boot.json"'),
    );
    const { stdout } = await run(status, ['w'], { env: still.laptop });
    await still.remove();
    expect(stdout).toMatch(/\n {2}not running; it was started \d+s ago/);
  });

  it('tells first what is wrong, with what to type', async () => {
    await queue(23);
    await checkIn();
    const file = (await worker.bash('ls "$HOME"/.factory/pipelines/23/pipeline.json')).trim();
    await worker.bash(`sed -i 's/"status": *"[a-z_]*"/"status": "blocked"/' ${file}`);
    const { code, stdout } = await look();
    expect(code).toBe(0);
    const needed = ['w', '--exit-code'];
    expect((await look(needed)).code).toBe(4);
    expect((await run(why, needed, { env: worker.laptop })).code).toBe(4);
    expect(stdout.split('\n').slice(0, 6)).toEqual([
      `w: stuck (on this machine, ${worker.dir})`,
      '',
      '  ! #23 is blocked at stage one, and the queue waits behind it',
      '      try the stage again: factory-worker unstick w 23',
      '      give it up, so that the queue continues: factory-worker unstick w 23 --give-up',
      '',
    ]);
    expect(stdout).toMatch(/demo#23 {2}active, blocked/);
  });

  it('shows a drain, a failing phase and repairs', async () => {
    const at = new Date(Date.now() - 3 * 60_000).toISOString();
    const before = JSON.parse(await worker.bash('cat "$WORKER_RUN_DIR/boot.json"')) as Record<
      string,
      unknown
    >;
    await write('run/boot.json', {
      ...before,
      image: 'registry.example.com/factory-worker@sha256:1111',
      phases: [
        {
          name: 'docker',
          status: 'failed',
          startedAt: at,
          ms: 61_234,
          message: 'dockerd ended with 1:\n no space left',
        },
        { name: 'clones', status: 'ok', startedAt: at, ms: 900, message: '' },
      ],
    });
    await write('home/.factory/worker/drain', {
      schema: 1,
      by: 'lucas',
      host: 'mbp',
      since: at,
      reason: 'new image',
      release: null,
    });
    await write('home/.factory/worker/repairs.jsonl', {
      at,
      issue: 23,
      stage: 'qa',
      attempt: 1,
      session: 's',
      action: 'advance',
      cure: '',
    });
    const { stdout } = await look();
    for (const name of ['drain', 'repairs.jsonl']) await rm(join(worker.state, name));
    await write('run/boot.json', before);
    expect(stdout).toMatch(/^w: drained/);
    expect(stdout).toMatch(/\n {2}! drained by lucas@mbp for 3m: new image\n {6}take up work again: /);
    expect(stdout).toMatch(/\n {2}! docker failed: dockerd ended with 1: {1,2}no space left\n/);
    expect(stdout).toMatch(
      /\nBOOT {4}RESULT {2}TOOK {3}MESSAGE\ndocker {2}failed {2}61\.2s {2}dockerd ended with 1: {1,2}no space left\nclones {2}ok {6}0\.9s/,
    );
    expect(stdout).toContain('image registry.example.com/factory-worker@sha256:1111');
    expect(stdout).toContain('REPAIRS   1, last: #23 advance');
  });

  it('shows a pipeline whose row was taken out while it goes on', async () => {
    await queue(23);
    await checkIn();
    await worker.bash('factory queue remove 23');
    expect((await look()).stdout).toMatch(
      /\nQUEUE {2}empty\n\n#23 has no row in the queue but is \w+ at stage one\n/,
    );
  });

  it('of 10,000 rows shows what is open and the last five that are done', async () => {
    await queue(1);
    await worker.sql(
      "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO issue_queue (issue, status, position, feature_intent) SELECT i, CASE WHEN i > 9000 THEN 'pending' ELSE 'completed' END, i, 'x' FROM n",
    );
    const { stdout } = await look();
    expect(stdout).toMatch(/\?#9000 {3}completed/);
    expect(stdout).toMatch(/\n {2}and 8994 finished before\n/);
  });

  it('as JSON has everything, and is one document', async () => {
    await queue(23);
    const { stdout } = await look(['w', '-o', 'json']);
    const document = JSON.parse(stdout) as Record<string, unknown>;
    expect(Object.keys(document)).toEqual(
      expect.arrayContaining(['runtime', 'name', 'home', 'status', 'problems', 'kubernetes', 'snapshot']),
    );
    expect(document).toMatchObject({
      status: 'running',
      problems: [],
      kubernetes: null,
      snapshot: { queue: [{ issue: 23, owner: 'demo' }] },
    });
  });

  it('again and again with --watch, until Ctrl-C', async () => {
    const { code, stdout } = await run(status, ['w', '--watch', '--interval', '10ms'], {
      env: worker.laptop,
      interruptAt: 'FACTORY   dialect',
    });
    expect(code).toBe(130);
    expect(stdout).toMatch(/^w: running/);
  });
});

const DIAL =
  'Error from server: error dialing backend: dial tcp 10.0.3.123:10250: connect: connection refused\n';

describe('of a pod that cannot be entered, status', () => {
  it.each<[string, Rule[], string, number, RegExp]>([
    [
      'says why it has no image',
      [
        {
          match: ['get', 'pods'],
          stdout: podList(
            pod({ status: waiting('ImagePullBackOff', 'Back-off pulling image "x": not found') }),
          ),
        },
      ],
      'image-pull',
      0,
      /! worker-1 is image-pull: ImagePullBackOff: Back-off pulling image "x": not found\n {6}events: kubectl --context do-nyc1-factory -n factory describe pod factory-worker-1-7d9f8b6c5d-x2x4z\n/,
    ],
    [
      'says what tells more than the words of the scheduler',
      [
        {
          match: ['get', 'pods'],
          stdout: podList(
            pod({
              status: {
                phase: 'Pending',
                conditions: [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes are available' }],
              },
            }),
          ),
        },
      ],
      'pending',
      0,
      /! worker-1 is pending: 0\/1 nodes are available\n {6}why: factory-worker why worker-1\n/,
    ],
    [
      'says where a crash has left its words',
      [
        {
          match: ['get', 'pods'],
          stdout: podList(pod({ status: waiting('CrashLoopBackOff', 'back-off', 3) })),
        },
      ],
      'crash-looping',
      0,
      /logs \S+ boot --previous/,
    ],
    [
      'knows a lost node by what the node controller does to the pod',
      [{ match: ['get', 'pods'], stdout: podList(pod({ status: nodeSilent() })) }],
      'node-lost',
      1,
      /the node: kubectl --context do-nyc1-factory get node node-a\n {6}if the machine is gone for good: /,
    ],
    [
      'knows it before that by a kubelet that cannot be dialled and a pod that is not Ready',
      [
        { match: ['get', 'pods'], stdout: podList(pod({ status: running('worker', 'False') })) },
        { match: ['exec'], code: 1, stderr: DIAL },
      ],
      'node-lost',
      1,
      /its node does not answer/,
    ],
    [
      'does not say of a pod that is stopping that it starts, when its container has just ended',
      [
        {
          match: ['get', 'pods'],
          stdout: podList(
            pod({ metadata: { ...pod().metadata, ...deleted(new Date(Date.now() + 60_000).toISOString()) } }),
          ),
        },
        {
          match: ['exec'],
          code: 1,
          stderr:
            'error: Internal error occurred: unable to upgrade connection: container not found ("worker")\n',
        },
      ],
      'draining',
      0,
      /container not found/,
    ],
    [
      'takes a kubelet that cannot be dialled for one that restarts while the pod is Ready',
      [
        { match: ['get', 'pods'], stdout: podList(pod()) },
        { match: ['exec'], code: 1, stderr: DIAL },
      ],
      'unreachable',
      1,
      /its node does not answer/,
    ],
    [
      'says that it is scaled to none',
      [
        { match: ['get', 'pods'], stdout: podList() },
        { match: ['deployment'], stdout: '{"metadata":{},"spec":{"replicas":0}}' },
      ],
      'stopped',
      0,
      /start it: factory-worker start worker-1/,
    ],
    [
      'asks the Deployment while there is no pod yet',
      [
        { match: ['get', 'pods'], stdout: podList() },
        { match: ['deployment'], stdout: '{"metadata":{},"spec":{"replicas":1}}' },
      ],
      'pending',
      0,
      /events: kubectl --context do-nyc1-factory -n factory describe deployment factory-worker-1\n/,
    ],
    [
      'says how to install it',
      [
        { match: ['get', 'pods'], stdout: podList() },
        { match: ['deployment'], stdout: '' },
      ],
      'missing',
      1,
      /install it: factory-worker provision worker-1/,
    ],
    [
      'says that exec is forbidden, and which verb to ask for',
      [
        { match: ['get', 'pods'], stdout: podList(pod()) },
        {
          match: ['exec'],
          code: 1,
          stderr:
            'Error from server (Forbidden): pods "factory-worker-1-x" is forbidden: User "ci" cannot create resource "pods/exec" in API group "" in the namespace "factory"\n',
        },
      ],
      'forbidden',
      1,
      /verb create on pods\/exec in namespace factory/,
    ],
    [
      'says that the image is another',
      [
        { match: ['get', 'pods'], stdout: podList(pod()) },
        {
          match: ['exec'],
          code: 127,
          stderr:
            'error: Internal error occurred: error executing command in container: OCI runtime exec failed: exec failed: unable to start container process: exec: "timeout": executable file not found in $PATH: unknown\ncommand terminated with exit code 127\n',
        },
      ],
      'degraded',
      0,
      /is it a factory-worker image\?/,
    ],
  ])('%s', async (_, rules, word, code, text) => {
    kubectl.setRules(rules);
    const outcome = await look(['worker-1']);
    expect(outcome.stdout).toMatch(
      new RegExp(`^worker-1: ${word} \\(context do-nyc1-factory, namespace factory[,)]`),
    );
    expect(outcome.stdout).toMatch(text);
    expect(outcome.code).toBe(code);
  });
});
