/** doctor, cp, port-forward, rotate and restore, on real workers. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FOREIGN, kubectl, SCRATCH, until } from './cluster.ts';
import { freePort } from './free-port.ts';
import { install, NO_TOKENS, WITH_DOCKER, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { makePerson, rule } from './person.ts';
import { saw } from './seen.ts';
import { useNamespace } from './site.ts';
import {
  atWork,
  deletePod,
  holdAgents,
  inWorker,
  isDrained,
  letAgentsGoOn,
  podsOf,
  queueOf,
  readyPod,
  type TestWorker,
  WITHOUT_GRACE,
} from './worker.ts';

const NAMESPACE = 'fleet-tools';
const folder = join(SCRATCH, 'fleet-tools');
const one = workerIn(NAMESPACE, 'tools-1');
const two = workerIn(NAMESPACE, 'tools-2');
const operator = Operator.of([one, two]);

useNamespace(NAMESPACE);
beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  // The first has tokens of its release, the second will have a Secret of its own.
  await install(one, WORKING);
  await install(two, NO_TOKENS);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Section {
  readonly where: string;
  readonly findings: readonly { id: string; state: string; reason: string; fix: readonly string[] }[];
}

/** `ID STATE` of everything in a section that is neither ok nor off. */
async function wrong(
  where: RegExp,
  ...args: string[]
): Promise<{ code: number; wrong: string[]; stdout: string }> {
  const answer = await operator.type('doctor', ...args, '-o', 'json');
  const section = (JSON.parse(answer.stdout) as Section[]).find((candidate) => where.test(candidate.where));
  const found = (section?.findings ?? []).filter(({ state }) => state !== 'ok' && state !== 'off');
  return { code: answer.code, wrong: found.map(({ id, state }) => `${id} ${state}`), stdout: answer.stdout };
}

describe('doctor', () => {
  it('finds the Secret that is missing in one of two workers, and only that fails: 3', async () => {
    const seen = await wrong(/^tools-2$/);
    expect(seen.code).toBe(3);
    expect(seen.wrong).toEqual(expect.arrayContaining(['secret-keys fail', 'boot-credentials fail']));
    expect(seen.stdout).toMatch(/factory-worker rotate tools-2 /);
    expect((await wrong(/^tools-1$/)).wrong.filter((line) => line.endsWith('fail'))).toEqual([]);
  });

  // In a cluster that is not ours no label is changed.
  it.skipIf(FOREIGN !== null)('finds the labels that are missing, and adds them', async () => {
    await kubectl(
      'label',
      'namespace',
      one.namespace,
      'pod-security.kubernetes.io/enforce=restricted',
      '--overwrite',
    );
    const place = /^namespace /;
    const before = await wrong(place, one.name);
    expect([before.code, before.wrong]).toEqual([1, expect.arrayContaining(['pod-security fail'])]);
    const fixed = await operator.type('doctor', one.name, '--fix', '--yes');
    saw('doctor --fix, with the labels missing', fixed);
    expect((await wrong(place, one.name)).wrong).not.toContain('pod-security fail');
  });

  it('of somebody who may only look says what is missing, and does not take it for absent', async () => {
    const kubeconfig = await makePerson(one.namespace, 'looker', [rule('pods', 'get', 'list')]);
    const seen = await wrong(/^namespace/, one.name, '--kubeconfig', kubeconfig);
    expect(seen.wrong).toEqual(
      expect.arrayContaining(['rbac-exec fail', 'rbac-release warn', 'namespace unknown']),
    );
    const inside = await wrong(/^tools-1$/, one.name, '--kubeconfig', kubeconfig);
    expect(inside.wrong).toEqual(['release unknown', 'enter fail']);
  });
});

describe.skipIf(FOREIGN !== null)('doctor in a worker with Docker', () => {
  const docker = workerIn(NAMESPACE, 'tools-docker');
  beforeAll(async () => {
    // The workers before needed less.
    await kubectl(
      'label',
      'namespace',
      NAMESPACE,
      'pod-security.kubernetes.io/enforce=privileged',
      '--overwrite',
    );
    await install(docker, WITH_DOCKER);
  });

  const findings = async () => {
    const answer = await Operator.of([docker]).type('doctor', docker.name, '-o', 'json');
    const sections = JSON.parse(answer.stdout) as Section[];
    return sections.at(-1)?.findings ?? [];
  };

  it('measures it with a container of its own, and leaves nothing behind', async () => {
    const found = await findings();
    saw(
      'doctor in a worker with Docker',
      found.map(({ id, state, reason }) => `${id} ${state} ${reason}`).join('\n'),
    );
    const of = (id: string) => found.find((finding) => finding.id === id);
    for (const id of ['docker', 'storage-driver', 'cgroup', 'mtu', 'iptables', 'docker-run'])
      expect(of(id), id).toMatchObject({ state: 'ok' });
    expect(of('mtu')?.reason).toMatch(/^pod \d+, docker0 \d+, a compose network \d+$/);
    expect(of('cgroup')?.reason).toContain('a container runs below the pod');
    const left =
      'docker ps --all --quiet; docker network ls --quiet --filter name=doctor; docker images --quiet "factory-worker-doctor*"';
    expect(await inWorker(docker, left)).toBe('');
  });

  it('finds rules that somebody has flushed, and a daemon that is down', async () => {
    await inWorker(docker, 'iptables --table nat --flush && iptables --table nat --delete-chain DOCKER');
    expect((await findings()).find(({ id }) => id === 'iptables')).toMatchObject({ state: 'fail' });
    await inWorker(docker, 'mv /var/run/docker.sock /var/run/docker.away');
    const down = await findings();
    await inWorker(docker, 'mv /var/run/docker.away /var/run/docker.sock');
    expect(down.find(({ id }) => id === 'docker')).toMatchObject({
      state: 'fail',
      reason: expect.stringContaining('does not answer'),
    });
    expect(down.map(({ id }) => id)).not.toContain('mtu');
  });
});

describe('cp', () => {
  it('carries 20 MB there and back, and leaves nothing when the pod dies in the middle', async () => {
    const content = randomBytes(20_000_000);
    writeFileSync(join(folder, 'big'), content);
    expect(await operator.type('cp', join(folder, 'big'), 'tools-1:big')).toExitWith(0);
    const back = await operator.type('cp', 'tools-1:big', join(folder, 'back'));
    saw('cp of 20 MB out of a worker', back);
    expect(readFileSync(join(folder, 'back')).equals(content)).toBe(true);

    await inWorker(one, 'truncate -s 3G /root/zeros');
    const cut = operator.start('cp', 'tools-1:zeros', join(folder, 'zeros'));
    await until('it has begun', 30, () => inWorker(one, 'pgrep -x tar').then((pid) => pid !== ''));
    await deletePod(one, await readyPod(one), ...WITHOUT_GRACE);
    const lost = await cut.answer;
    saw('cp whose pod dies in the middle', lost);
    expect(lost).toExitWith(1);
    expect(lost.stderr).toMatch(/broke|not what was sent/);
    expect(() => readFileSync(join(folder, 'zeros'))).toThrow(/ENOENT/);
    await readyPod(one);
  });
});

describe('port-forward', () => {
  const serve = () =>
    inWorker(
      one,
      `setsid node -e 'require("http").createServer((_, r) => r.end(require("os").hostname())).listen(3000)' >/dev/null 2>&1 &
       until (: </dev/tcp/localhost/3000) 2>/dev/null; do sleep 0.1; done`,
    );

  it('reaches a port, and the same local one after the pod was replaced', async () => {
    await serve();
    const port = await freePort();
    const forward = operator.start('port-forward', one.name, `${port}:3000`);
    try {
      const ask = () =>
        fetch(`http://localhost:${port}`, { signal: AbortSignal.timeout(3_000) }).then((answer) =>
          answer.text(),
        );
      const first = await until('an answer', 30, ask);
      expect(first).toBe(await readyPod(one));
      await deletePod(one, first);
      await until('another pod', 120, async () =>
        (await podsOf(one)).every(({ metadata }) => metadata.name !== first),
      );
      await readyPod(one, first);
      await serve();
      expect(await until('an answer of the new pod', 60, ask)).toBe(await readyPod(one));
    } finally {
      forward.child.kill('SIGINT');
    }
    const answer = await forward.answer;
    saw('port-forward, over the end of a pod', answer);
    expect(answer).toExitWith(130);
  });
});

describe('rotate', () => {
  const token = (name: string, value: string) => {
    writeFileSync(join(folder, name), `${value}\n`);
    return join(folder, name);
  };
  const secretOf = async (worker: TestWorker, key: string) =>
    Buffer.from(
      await kubectl(
        '-n',
        one.namespace,
        'get',
        'secret',
        `${worker.pod}-secrets`,
        '--output',
        `jsonpath={.data.${key}}`,
      ),
      'base64',
    ).toString();

  it('makes the Secret of a worker that has none; the running pod takes it up', async () => {
    const all = token('all', 'CLAUDE_CODE_OAUTH_TOKEN=c-first\nGH_TOKEN=g-first\nGH_USER=factory-bot');
    const answer = await operator.type('rotate', two.name, '--secrets-file', all, '--yes');
    saw('rotate: the first tokens of a worker', answer);
    expect(answer).toExitWith(0);
    expect(answer.stdout).toContain('GitHub knows us as factory-bot');
    expect(`${answer.stdout}${answer.stderr}`).not.toMatch(/[cg]-first/);
  });

  it('names the process that still has the old token', async () => {
    await inWorker(two, `tmux new-session -d -s 9-qa-1 'CLAUDE_CODE_OAUTH_TOKEN=c-first sleep 600'`);
    const answer = await operator.type('rotate', two.name, '--token-file', token('c2', 'c-second'), '--yes');
    saw('rotate, while a session has the old token', answer);
    expect(answer).toExitWith(0);
    expect(answer.stdout).toMatch(
      /CLAUDE_CODE_OAUTH_TOKEN +process +[0-9a-f]{8} +stale +sleep \(\d+\) in session 9-qa-1/,
    );
    await inWorker(two, 'tmux kill-session -t =9-qa-1');
  });

  it.each(['a Secret of its own', 'a Secret of the release'])(
    'puts the old token back when GitHub refuses the new one: %s',
    async (whose) => {
      const worker = whose.includes('release') ? one : two;
      const old = await secretOf(worker, 'GH_TOKEN');
      const answer = await operator.type(
        'rotate',
        worker.name,
        '--gh-token-file',
        token('bad', 'bad-token'),
        '--yes',
      );
      saw(`rotate with a wrong token, ${whose}`, answer);
      expect(answer).toExitWith(1);
      expect(answer.stderr).toMatch(/GitHub refuses it \(401\): \S+ has its old GH_TOKEN/);
      expect(await secretOf(worker, 'GH_TOKEN')).toBe(old);
      expect((await inWorker(worker, 'cat "$WORKER_SECRETS_DIR/GH_TOKEN"')).trim()).toBe(old.trim());
    },
  );

  it('puts the old token back when claude refuses the new one', async () => {
    const old = await secretOf(two, 'CLAUDE_CODE_OAUTH_TOKEN');
    const bad = token('bad-claude', 'bad-token');
    const answer = await operator.type('rotate', two.name, '--token-file', bad, '--yes');
    saw('rotate with a token that claude refuses', answer);
    expect(answer).toExitWith(1);
    expect(answer.stderr).toMatch(/claude refuses it: .*401.*: \S+ has its old CLAUDE_CODE_OAUTH_TOKEN/);
    expect(await secretOf(two, 'CLAUDE_CODE_OAUTH_TOKEN')).toBe(old);
  });
});

describe('restore', () => {
  it('of a backup taken under load brings everything into another worker', async () => {
    const issues = [1, 2, 3, 4];
    await holdAgents(one);
    const dispatch = await operator.type(
      'dispatch',
      one.name,
      '-p',
      'demo',
      '-i',
      issues.join(','),
      '--intent',
      'x',
    );
    expect(dispatch).toExitWith(0);
    await atWork(one, 1);
    const archive = join(folder, 'one.tar.gz');
    expect(await operator.type('backup', one.name, archive)).toMatchObject({ code: 0 });
    const busy = await operator.type('restore', archive, one.name, '--yes');
    saw('restore into a worker that is at work', busy);
    expect([busy.code, busy.stderr]).toEqual([1, expect.stringContaining('is at work')]);
    await letAgentsGoOn(one);
    const restored = await operator.type('restore', archive, two.name, '--yes');
    saw('restore into another worker, of a backup taken under load', restored);
    expect(restored).toMatchObject({ code: 0, stdout: expect.stringContaining('4 rows in the queue') });
    expect(await queueOf(two)).toEqual(issues);
    expect(await inWorker(two, 'cd /root/.factory/repos/demo && git worktree list')).toContain('issue-1');
    expect(await isDrained(two)).toBe(false);
  });
});
