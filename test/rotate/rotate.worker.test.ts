import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shortHash } from '../../scripts/lib/short-hash.ts';
import { rotate } from '../../scripts/rotate.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';
import { until } from '../support/until.ts';
import { pod, podList, waiting } from '../transport/cluster.ts';

const OLD = 'gho_the-old-one';
const NEW = 'gho_the-new-one';

const deployment = {
  metadata: { name: 'factory-worker-1', annotations: {} },
  spec: {
    template: {
      spec: { containers: [{ name: 'worker' }], volumes: [{ name: 'secrets', secret: { secretName: 's' } }] },
    },
  },
};
const encoded = (text: string) => Buffer.from(text).toString('base64');
const secret = (token: string, version: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 's', resourceVersion: version },
  data: { GH_TOKEN: encoded(token), CLAUDE_CODE_OAUTH_TOKEN: encoded('c'), GH_USER: encoded('bot') },
});

let worker: HandWorker;
let kubectl: FakeKubectl;
let folder: string;
beforeAll(async () => {
  worker = await handWorker();
  kubectl = fakeKubectl();
  folder = mkdtempSync('/tmp/rotate-test-');
  writeFileSync(join(folder, 'new'), `${NEW}\n`);
});
afterAll(async () => {
  kubectl.remove();
  rmSync(folder, { recursive: true });
  await worker.remove();
});

function setRules(rules: readonly Rule[]): void {
  kubectl.setRules([
    ...rules,
    { match: ['get', 'deployment'], stdout: JSON.stringify(deployment) },
    { match: ['get', 'secret'], stdout: JSON.stringify(secret(OLD, '7')) },
    { match: ['annotate', 'pod'] },
    ...worker.cluster(),
  ]);
}

function type(rules: readonly Rule[], ...argv: string[]) {
  setRules(rules);
  return run(rotate, ['worker-1', ...argv], { env: { KUBECTL: kubectl.path, ...worker.laptop } });
}
const given = () => ['--gh-token-file', join(folder, 'new'), '--yes'];
const replaced: Rule = { match: ['replace'], times: 1 };
/** What is in the Secret at each look: the last at all further ones. */
const holding = (...tokens: string[]): Rule[] =>
  tokens.map((token, index) => ({
    match: ['get', 'secret'],
    ...(index === tokens.length - 1 ? {} : { times: 1 }),
    stdout: JSON.stringify(secret(token, `${7 + index}`)),
  }));
const verbs = () =>
  kubectl
    .calls()
    .flatMap(({ argv }) => argv.filter((word) => ['replace', 'create', 'delete'].includes(word)));

describe('rotate', () => {
  it('--dry-run shows hashes and changes nothing; no token is in any argv or answer', async () => {
    const { code, stdout, stderr } = await type([], '--gh-token-file', join(folder, 'new'), '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^ {2}GH_TOKEN: [0-9a-f]{8} → [0-9a-f]{8} \(from .*\/new\)\n {2}\$ .* replace --filename=- --output=name {3}# the Secret on stdin, not shown\n$/,
    );
    expect(verbs()).toEqual([]);
    expect(`${stdout}${stderr}${JSON.stringify(kubectl.calls())}`).not.toMatch(/gho_/);
  });

  it('of two operators lets the first win: nothing is changed by the second', async () => {
    const conflict =
      'Error from server (Conflict): Operation cannot be fulfilled on secrets "s": the object has been modified';
    const { code, stderr } = await type(
      [{ match: ['replace'], stderr: `${conflict}\n`, code: 1 }],
      '--gh-token-file',
      join(folder, 'new'),
      '--yes',
    );
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('another process has just changed the Secret s; nothing was changed'),
    ]);
  });

  it('of a DATABASE_URL waits until the worker uses it, and never prints the URL', async () => {
    const [was, is] = ['postgres://me:old-and-secret@db/x', 'postgres://me:new-and-secret@db/x'];
    const holds = (url: string, version: string) => {
      const { data, ...rest } = secret(OLD, version);
      return JSON.stringify({ ...rest, data: { ...data, DATABASE_URL: encoded(url) } });
    };
    const rules: Rule[] = [
      replaced,
      { match: ['get', 'secret'], times: 1, stdout: holds(was, '7') },
      { match: ['get', 'secret'], stdout: holds(is, '8') },
    ];
    writeFileSync(join(folder, 'url'), `${is}\n`);
    const argv = ['--database-url-file', join(folder, 'url'), '--yes'];
    await worker.boot({ kind: 'url', state: 'ready' });
    await worker.write('secrets/DATABASE_URL', is);
    await worker.write('run/database-url', `${was}\n`);
    const late = await type(rules, ...argv, '--wait', '100ms');
    expect(late).toMatchObject({
      code: 124,
      stderr: expect.stringMatching(/does not use the new Secret after 0s[\s\S]*factory-worker why worker-1/),
    });
    const calls = JSON.stringify(kubectl.calls().map(({ argv }) => argv));
    await worker.write('run/database-url', `${is}\n`);
    const { code, stdout, stderr } = await type(rules, ...argv);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/DATABASE_URL +file +\w+ +current[\s\S]*DATABASE_URL +next call +\w+ +current/),
    ]);
    expect(`${late.stderr}${calls}${stdout}${stderr}`).not.toContain('secret@');
    await worker.boot();
    await worker.bash('rm "$WORKER_SECRETS_DIR/DATABASE_URL" "$WORKER_RUN_DIR/database-url"');
  });

  it('puts back a DATABASE_URL with which the worker cannot reach its database, and says why', async () => {
    const [was, is] = ['postgres://me:old-and-secret@db/x', 'postgres://me:new-and-secret@db/x'];
    const holds = (url: string, version: string): Rule => {
      const { data, ...rest } = secret(OLD, version);
      const stdout = JSON.stringify({ ...rest, data: { ...data, DATABASE_URL: encoded(url) } });
      return { match: ['get', 'secret'], times: 1, stdout };
    };
    writeFileSync(join(folder, 'url'), `${is}\n`);
    const argv = ['--database-url-file', join(folder, 'url'), '--yes'];
    const says = 'ping database: connection refused (tried again in 4.0s, attempt 3)';
    const down = async (url: string) => {
      await worker.boot({ kind: 'url', state: 'down', says, urlHash: shortHash(url) });
      await worker.write('secrets/DATABASE_URL', url);
    };
    const typed = () =>
      type([{ ...replaced, times: 2 }, holds(was, '7'), holds(is, '8'), holds(was, '9')], ...argv);
    const puttingBack = () => {
      const before = verbs().length;
      return until('the old one is put back', () => verbs().length === before + 2);
    };
    await down(is);
    await worker.write('run/database-url', `${was}\n`);
    const [answer] = await Promise.all([
      typed(),
      puttingBack().then(async () => {
        await worker.write('secrets/DATABASE_URL', was);
        await worker.boot({ kind: 'url', state: 'ready', urlHash: shortHash(was) });
      }),
    ]);
    expect([answer.code, answer.stdout]).toEqual([1, '']);
    expect(answer.stderr).toMatch(
      /error: its database cannot be used: ping database: connection refused: worker-1 has its old DATABASE_URL \([0-9a-f]{8}\) again\n.*factory-worker rotate worker-1 --database-url-file FILE\n$/,
    );

    await down(is);
    const [both] = await Promise.all([typed(), puttingBack().then(() => down(was))]);
    expect([both.code, both.stderr]).toEqual([
      1,
      expect.stringMatching(
        /worker-1 has its old DATABASE_URL \([0-9a-f]{8}\) again, and its database cannot be used: ping [\s\S]*factory-worker why worker-1\n$/,
      ),
    ]);
    const check = await type([holds(was, '7'), holds(was, '7')], '--check');
    expect(check).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /DATABASE_URL +next call +\w+ +refused +its database cannot be used: ping/,
      ),
    });
    const calls = JSON.stringify(kubectl.calls().map(({ argv }) => argv));
    expect(`${answer.stderr}${both.stderr}${check.stdout}${calls}`).not.toContain('secret@');
    await worker.boot();
    await worker.bash('rm "$WORKER_SECRETS_DIR/DATABASE_URL" "$WORKER_RUN_DIR/database-url"');
  });

  it('takes no DATABASE_URL from the environment, which may be that of another program', async () => {
    const stray = { GH_TOKEN: NEW, DATABASE_URL: 'postgres://me:stray-and-secret@db/other' };
    const { data, ...rest } = secret(OLD, '7');
    const url = encoded('postgres://me:old-and-secret@db/x');
    setRules([
      { match: ['get', 'secret'], stdout: JSON.stringify({ ...rest, data: { ...data, DATABASE_URL: url } }) },
    ]);
    const env = { KUBECTL: kubectl.path, ...worker.laptop, ...stray };
    const { code, stdout } = await run(rotate, ['worker-1', '--from-env', '--dry-run'], { env });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^ {2}GH_TOKEN: .*\(from the environment\)/)]);
    expect(stdout).not.toContain('DATABASE_URL');
  });

  it('that does not see the new Secret in the worker in time says so, and how to look again', async () => {
    const { code, stderr } = await type(
      [replaced, ...holding(OLD, NEW)],
      '--gh-token-file',
      join(folder, 'new'),
      '--yes',
      '--wait-timeout',
      '100ms',
    );
    expect(code).toBe(124);
    expect(stderr).toContain('look again: factory-worker rotate worker-1 --check');
    expect(`${stderr}${JSON.stringify(kubectl.calls().map(({ argv }) => argv))}`).not.toMatch(/gho_/);
  });

  it('of a worker that is stopped writes the Secret, and says what could not be asked', async () => {
    const stopped: Rule[] = [
      { match: ['get', 'pods'], stdout: podList() },
      {
        match: ['get', 'deployment'],
        stdout: JSON.stringify({ ...deployment, spec: { ...deployment.spec, replicas: 0 } }),
      },
      ...holding(OLD, NEW),
    ];
    const { code, stdout, stderr } = await type([replaced, ...stopped], ...given());
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^KEY/),
      expect.stringMatching(/^GH_TOKEN +Secret +[0-9a-f]{8} +current/),
    ]);
    expect(stderr).toMatch(/nothing else could be checked: worker-1 is stopped: .* scaled to 0\n/);
    expect(stderr).toMatch(
      /none of its programs has the old ones.*once it runs: factory-worker rotate worker-1 --check\n/,
    );

    const check = await type(stopped, '--check', '-o', 'json');
    expect(check.code).toBe(1);
    expect(JSON.parse(check.stdout)).toMatchObject({
      rotated: false,
      notAsked: expect.stringContaining('worker-1 is stopped'),
      layers: [{ layer: 'Secret' }, { layer: 'Secret' }, { layer: 'Secret' }],
    });
    expect(check.stderr).toContain('factory-worker start worker-1');
  });

  it('of a worker that crashes waits for it to come up with the new ones', async () => {
    const crashing = podList(pod({ status: waiting('CrashLoopBackOff', 'back-off', 5) }));
    // For the annotation and the first look; then it runs.
    setRules([replaced, ...holding(OLD, NEW), { match: ['get', 'pods'], times: 2, stdout: crashing }]);
    const { code, stderr } = await run(rotate, ['worker-1', ...given(), '--wait-timeout', '1h'], {
      env: { KUBECTL: kubectl.path, ...worker.laptop },
      interruptAt: 'waiting for the Secret to reach the worker',
    });
    expect(stderr).toMatch(
      /waiting: worker-1 is crash-looping.*\nwaiting for the Secret to reach the worker\n/,
    );
    expect(code).toBe(130);

    const late = await type([replaced, ...holding(OLD, NEW)], ...given(), '--wait-timeout', '1s');
    expect(late).toMatchObject({
      code: 124,
      stderr: expect.stringContaining('error: the new Secret has not reached worker-1'),
    });
  });

  it('puts a refused token back, and says so when it cannot', async () => {
    // The stand-in has no token at all: refused.
    writeFileSync(join(worker.env['WORKER_SECRETS_DIR'] ?? '', 'GH_TOKEN'), NEW);
    const back = await type(
      [replaced, replaced, ...holding(OLD, NEW, OLD)],
      ...given(),
      '--wait-timeout',
      '100ms',
    );
    expect([back.code, back.stderr]).toEqual([
      1,
      expect.stringMatching(
        /refuses it.*: the Secret has its old GH_TOKEN \([0-9a-f]{8}\) again; it was not seen to reach/,
      ),
    ]);
    expect(verbs().slice(-2)).toEqual(['replace', 'replace']);

    const conflict = 'Error from server (Conflict): Operation cannot be fulfilled on secrets "s"\n';
    const left = await type(
      [replaced, { match: ['replace'], stderr: conflict, code: 1 }, ...holding(OLD, NEW)],
      ...given(),
    );
    rmSync(join(worker.env['WORKER_SECRETS_DIR'] ?? '', 'GH_TOKEN'));
    expect([left.code, left.stderr]).toEqual([
      1,
      expect.stringMatching(
        /could not be put back: another process[\s\S]*the refused one is still in the Secret/,
      ),
    ]);
  });

  it('does not ask without a terminal, and leaves a local worker alone', async () => {
    expect(await type([])).toMatchObject({ code: 2, stderr: expect.stringContaining('--gh-token-file') });
    expect(await run(rotate, ['w'], { env: worker.laptop })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('factory-worker shell w'),
    });
  });
});
