/** A worker's life on the real cluster: installed, stopped, started, retired, taken up again, purged. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apply, CONTEXT, getObject, KUBECONFIG, kubectl, ROOT, SCRATCH, until } from './cluster.ts';
import {
  CHART,
  dropNamespace,
  HELM,
  helm,
  NO_TOKENS,
  removeNamespace,
  valuesOf,
  WORKING,
  workerIn,
} from './install.ts';
import { type Answer, Operator } from './operator.ts';
import { saw } from './seen.ts';
import {
  atWork,
  holdAgents,
  inWorker,
  isDrained,
  letAgentsGoOn,
  podsOf,
  queueOf,
  readyPod,
} from './worker.ts';

const run = promisify(execFile);

// Of this run alone: a machine has one cluster, which several may test on.
const NAMESPACE = `fleet-life-${process.pid}`;
const FOLDER = join(SCRATCH, NAMESPACE);
const operator = new Operator(join(FOLDER, 'workers.yaml'));
const secretsFile = join(FOLDER, 'secrets');
/** Values without tokens: those are what provision is to bring. */
const values = valuesOf({ ...NO_TOKENS, ...WORKING });

const worker = (name: string) => workerIn(NAMESPACE, name);
const one = worker('one');

/** Room for a machine that does other things besides. */
const PATIENT = ['--timeout', '2m'];
/** Where everything is, for every command. */
const PLACE = [...PATIENT, '--context', CONTEXT, '--namespace', NAMESPACE, '--kubeconfig', KUBECONFIG];

const provision = (name: string, ...args: string[]): Promise<Answer> =>
  operator.type('provision', name, ...PLACE, ...values, ...args);

const install = (name: string, ...args: string[]) =>
  provision(name, '--secrets-file', secretsFile, '--yes', ...args);

/** Types a command about the worker `one`. */
const onOne = (command: string, ...args: string[]) => operator.type(command, 'one', ...PATIENT, ...args);

interface Named {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
}

/** `persistentvolumeclaim/x`, `secret/y`: what is there with these names. */
async function there(...names: string[]): Promise<string[]> {
  const list = await kubectl('-n', NAMESPACE, 'get', ...names, '--ignore-not-found', '--output=name');
  return list.split('\n').filter((line) => line !== '');
}

const revisions = async (name: string) =>
  (JSON.parse(await helm('history', name, `--namespace=${NAMESPACE}`, '--output=json')) as unknown[]).length;

beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(secretsFile, 'CLAUDE_CODE_OAUTH_TOKEN=hush-1\nGH_TOKEN=hush-2\nGH_USER=factory-bot\n');
  await removeNamespace(NAMESPACE);
});

afterAll(() => dropNamespace(NAMESPACE));

describe('in an empty cluster', () => {
  it('--dry-run prints every command line and makes nothing', async () => {
    const answer = await provision('one', '--dry-run');
    saw('provision --dry-run', answer);
    expect([answer.code, answer.stderr]).toEqual([0, '']);
    expect(answer.stdout).toMatch(/\$ .*kubectl.* create --filename=-/);
    expect(answer.stdout).toMatch(/\$ .*helm.* install one /);
    expect(existsSync(operator.file)).toBe(false);
    await expect(kubectl('get', 'namespace', NAMESPACE)).rejects.toThrow('NotFound');
  });

  it('takes values from stdin', async () => {
    const args = [...PLACE, '-f', '-', '--no-secret', '--dry-run'];
    const [program, ...rest] = operator.argv('provision', 'piped', ...args);
    const child = spawn(program, rest, { cwd: ROOT, env: operator.env });
    child.stdin.end('image: {repository: registry.example.com/piped, tag: "7"}\n');
    expect(await text(child.stdout)).toContain(
      'release    piped, image registry.example.com/piped:7, privileged',
    );
  });

  it('without a terminal nothing is asked: exit 2, with the flags', async () => {
    const answer = await provision('one', '--yes');
    expect(answer).toExitWith(2);
    expect(answer.stderr).toContain('CLAUDE_CODE_OAUTH_TOKEN: --token-file');
  });

  it('makes namespace, Secret, release and entry, and waits until the worker is Ready', async () => {
    const answer = await install('one', '--verbose');
    saw('provision', answer);
    expect(answer).toExitWith(0);
    expect(answer.stdout).toBe('one is there, and running\n');
    // Neither in what was run nor in what was said.
    expect(answer.stderr).not.toContain('hush');
    const namespace = JSON.parse(await kubectl('get', 'namespace', NAMESPACE, '--output=json')) as Named;
    expect(namespace.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'baseline' });
    const secret = await getObject<Named>(NAMESPACE, 'secret', 'factory-one-secrets');
    expect(secret.data).toEqual({
      CLAUDE_CODE_OAUTH_TOKEN: btoa('hush-1'),
      GH_TOKEN: btoa('hush-2'),
      GH_USER: btoa('factory-bot'),
    });
    // `kubectl apply` would have kept a second copy here.
    expect(secret.metadata.annotations).toBeUndefined();
    expect(readFileSync(operator.file, 'utf8')).toContain('- name: one\n    pod: factory-one\n');
    expect(await inWorker(one, 'cat /run/secrets/factory-worker/GH_TOKEN')).toBe('hush-2');
  });

  it('typed again it says what is there and changes nothing', async () => {
    const before = readFileSync(operator.file, 'utf8');
    const answer = await provision('one');
    expect(answer, answer.stderr).toMatchObject({
      code: 0,
      stdout: 'one was there already; nothing was changed. It is running\n',
    });
    expect([readFileSync(operator.file, 'utf8'), await revisions('one')]).toEqual([before, 1]);
  });

  it('typed again with other values it says what an upgrade would change, and what Kubernetes never does', async () => {
    const answer = await provision('one', '--set', 'persistence.size=512Mi,orchestrator.interval=3s');
    saw('provision typed again, with a smaller volume', answer);
    expect(answer).toExitWith(0);
    expect(answer.stderr).toContain(
      'Kubernetes does not change the volume factory-one-data to these values: it has size 1Gi, not 512Mi',
    );
    const upgrade = /To change them: (.*)/.exec(answer.stderr)?.[1] ?? '';
    await run('bash', ['-c', upgrade], { env: operator.env, cwd: ROOT });
    expect(await revisions('one')).toBe(2);
  });

  it('a value that the chart does not know is told in its words', async () => {
    const answer = await provision('one', '--set', 'persistence.sizes=2Gi');
    expect(answer).toExitWith(1);
    expect(answer.stderr).toContain('sizes');
    expect(await revisions('one')).toBe(2);
  });

  it('a key that the Secret lacks is added, and the others stay', async () => {
    await kubectl(
      '-n',
      NAMESPACE,
      'patch',
      'secret',
      'factory-one-secrets',
      '-p',
      '{"data":{"GH_USER":null}}',
    );
    const answer = await provision('one', '--gh-user', 'other-bot', '--yes');
    expect(answer).toExitWith(0);
    const { data } = await getObject<Named>(NAMESPACE, 'secret', 'factory-one-secrets');
    expect(data).toMatchObject({ GH_USER: btoa('other-bot'), GH_TOKEN: btoa('hush-2') });
  });
});

describe('stop and start', () => {
  const replicas = async () =>
    (await getObject<{ spec: { replicas: number } }>(NAMESPACE, 'deployment', 'factory-one')).spec.replicas;
  const dispatch = (issue: number) => operator.dispatch(one, issue, ...PATIENT);

  it('Ctrl-C while a stage is waited for leaves the worker at work, not drained', async () => {
    // Its stage goes on beyond this test and the next one.
    await holdAgents(one);
    expect(await dispatch(31)).toExitWith(0);
    await atWork(one, 31);
    const stopping = operator.start('stop', 'one', ...PATIENT);
    await until('the drain is there', 60, () => isDrained(one));
    stopping.child.kill('SIGINT');
    const answer = await stopping.answer;
    saw('stop, Ctrl-C', answer);
    expect(answer).toExitWith(130);
    expect([await isDrained(one), await replicas()]).toEqual([false, 1]);
  });

  it('a stage that does not end in time leaves it so, too: exit 124', async () => {
    expect(await dispatch(32)).toExitWith(0);
    await atWork(one, 31);
    const answer = await onOne('stop', '--drain-timeout', '1ms');
    saw('stop, out of time', answer);
    expect(answer).toExitWith(124);
    expect(answer.stderr).toContain('factory-worker stop one --now');
    expect([await isDrained(one), await replicas()]).toEqual([false, 1]);
  });

  it('waits for the running stage, then replicas are 0 in the release; start brings everything back', async () => {
    const queue = await queueOf(one);
    const stopping = operator.start('stop', 'one', ...PATIENT);
    await until('the drain is there', 60, () => isDrained(one));
    await letAgentsGoOn(one);
    const answer = await stopping.answer;
    saw('stop', answer);
    expect(answer, answer.stderr).toMatchObject({ code: 0, stdout: 'one is stopped\n' });
    expect([await replicas(), await podsOf(one)]).toEqual([0, []]);
    const given = JSON.parse(await helm('get', 'values', 'one', `--namespace=${NAMESPACE}`, '--output=json'));
    expect(given).toMatchObject({ replicas: 0, projects: [{ name: 'demo' }] });
    expect((await onOne('stop')).stdout).toBe('one is stopped already\n');

    const started = await onOne('start');
    saw('start', started);
    expect(started).toExitWith(0);
    expect(started.stdout).toBe('one is running\n');
    expect([await isDrained(one), await queueOf(one)]).toEqual([false, queue]);
    expect((await onOne('start')).stdout).toBe('one runs already\n');
  });

  it("a person's drain survives stop and start", async () => {
    expect(await onOne('drain', '--reason', 'mine')).toExitWith(0);
    const answer = await onOne('stop');
    expect(answer).toExitWith(0);
    expect((await onOne('start')).stdout).toBe('one is drained\n');
    expect(await isDrained(one)).toBe(true);
    expect(await onOne('resume')).toExitWith(0);
  });

  it('--now does not wait for the stage, and asks first', async () => {
    await holdAgents(one);
    expect(await dispatch(33)).toExitWith(0);
    await atWork(one);
    expect(await onOne('stop', '--now')).toExitWith(2);
    const answer = await onOne('stop', '--now', '--yes', '-o', 'json');
    expect(answer).toExitWith(0);
    expect(JSON.parse(answer.stdout)).toMatchObject({ worker: 'one', status: 'stopped', dryRun: false });
    expect(await onOne('start')).toExitWith(0);
    expect(await queueOf(one)).toContain(33);
  });
});

describe('what is half done or in the way', () => {
  it('an installation that was killed is told, with the cure; that typed, it goes on', async () => {
    const child = spawn(HELM, [
      'install',
      'half',
      CHART,
      `--namespace=${NAMESPACE}`,
      `--kubeconfig=${KUBECONFIG}`,
      `--kube-context=${CONTEXT}`,
      '--wait',
      ...values,
    ]);
    await until(
      'its Deployment is there',
      60,
      async () => (await there('deployment/factory-half')).length === 1,
    );
    child.kill('SIGKILL');
    const answer = await install('half');
    saw('provision after an installation that was killed', answer);
    expect(answer).toExitWith(1);
    expect(answer.stderr).toContain('release half is pending-install');
    const cure = /if it was killed: (.*) \(its volume stays\)/.exec(answer.stderr)?.[1] ?? '';
    await run('bash', ['-c', cure], { env: operator.env });
    expect(await there('persistentvolumeclaim/factory-half-data')).toHaveLength(1);
    const again = await install('half');
    expect(again).toExitWith(0);
    expect(again.stderr).toContain('factory-half-data is there from before');
  });

  it('a claim that is gone is made anew, by the release as it is', async () => {
    await kubectl('-n', NAMESPACE, 'delete', 'persistentvolumeclaim', 'factory-half-data', '--wait=false');
    await kubectl(
      '-n',
      NAMESPACE,
      'delete',
      'pod',
      '--selector=app.kubernetes.io/instance=half',
      '--grace-period=1',
    );
    await until(
      'the claim is gone',
      60,
      async () => (await there('persistentvolumeclaim/factory-half-data')).length === 0,
    );
    // Without the values it was installed with.
    const answer = await provision('half', '--yes');
    saw('provision after the claim was deleted', answer);
    expect(answer).toExitWith(0);
    expect(answer.stderr).toContain('its claim factory-half-data is gone, and is created again, empty');
    expect(await there('persistentvolumeclaim/factory-half-data')).toHaveLength(1);
    expect(await there('deployment/factory-half')).toHaveLength(1);
  });

  it('an installation that failed is cleared away, its volume taken up, the registry login brought', async () => {
    await helm(
      'install',
      'failed',
      CHART,
      `--namespace=${NAMESPACE}`,
      ...values,
      '--wait',
      '--timeout=1s',
    ).catch(() => {});
    const login = join(FOLDER, 'config.json');
    const auths = { localhost: { auth: btoa('bot:hush-3') }, 'other.example.com': { auth: 'mine' } };
    writeFileSync(login, JSON.stringify({ auths }));
    const answer = await install('failed', '--pull-secret-file', login);
    saw('provision after an installation that failed', answer);
    expect(answer).toExitWith(0);
    expect(answer.stderr).toMatch(/^- clear/m);
    const { data } = await getObject<Named>(NAMESPACE, 'secret', 'factory-registry');
    // Of the operator's logins the image's alone.
    expect(JSON.parse(atob(data?.['.dockerconfigjson'] ?? ''))).toEqual({
      auths: { localhost: auths.localhost },
    });
    const pod = 'jsonpath={.spec.template.spec.imagePullSecrets[*].name}';
    expect(await kubectl('-n', NAMESPACE, 'get', 'deployment', 'factory-failed', '--output', pod)).toBe(
      'factory-registry',
    );
    await readyPod(worker('failed'));
  });

  it('a name that somebody else has is not touched', async () => {
    const labels = { app: 'other' };
    await apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'factory-taken', namespace: NAMESPACE },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'x', image: 'x' }] } },
      },
    });
    const answer = await install('taken');
    expect(answer).toExitWith(1);
    expect(answer.stderr).toContain('the name taken is in use: there is a Deployment factory-taken');
    expect(await there('secret/factory-taken-secrets')).toEqual([]);
    expect(readFileSync(operator.file, 'utf8')).not.toContain('taken');
  });

  it('a token in --set is refused before anything is asked of the cluster', async () => {
    const answer = await install('argv', '--set', 'secrets.inline.GH_TOKEN=x');
    expect(answer, answer.stderr).toMatchObject({ code: 2, stdout: '' });
    expect(answer.stderr).toContain('--gh-token-file');
  });

  it('values the chart refuses are told in its words, and nothing is made', async () => {
    const answer = await install('wrong', '--set', 'replicas=2');
    expect(answer).toExitWith(1);
    expect(answer.stderr).toContain('replicas');
    expect(await there('secret/factory-wrong-secrets')).toEqual([]);
  });

  it('of two operators at once one installs, and the other is told how to go on', async () => {
    const other = new Operator(join(FOLDER, 'other.yaml'));
    const same = ['both', ...PLACE, ...values, '--secrets-file', secretsFile, '--yes'];
    const answers = await Promise.all([
      operator.type('provision', ...same),
      other.type('provision', ...same),
    ]);
    saw('provision, two operators', answers.map(({ stdout, stderr }) => stdout + stderr).join('---\n'));
    expect(answers.map(({ code }) => code).toSorted()).toEqual([0, expect.any(Number)]);
    for (const { code, stderr } of answers) if (code !== 0) expect(stderr).toContain('type it again');
    expect(await other.type('provision', ...same)).toExitWith(0);
    expect(await revisions('both')).toBe(1);
    expect(readFileSync(other.file, 'utf8')).toContain('- name: both\n');
  });
});

describe('retire', () => {
  it('drains, backs up, uninstalls; volume and Secret stay and are said', async () => {
    const queue = await queueOf(one);
    const backup = join(FOLDER, 'one.tar.gz');
    const answer = await onOne('retire', '--backup', backup, '--yes');
    saw('retire', answer);
    expect(answer, answer.stderr).toMatchObject({ code: 0, stdout: 'one is retired\n' });
    expect(answer.stderr).toContain('to delete it: ');
    expect(existsSync(backup)).toBe(true);
    expect(readFileSync(operator.file, 'utf8')).not.toContain('name: one\n');
    expect(
      await there(
        'deployment/factory-one',
        'persistentvolumeclaim/factory-one-data',
        'secret/factory-one-secrets',
      ),
    ).toEqual(['persistentvolumeclaim/factory-one-data', 'secret/factory-one-secrets']);

    // What the volume cannot become is said before anything is made.
    const small = await provision(
      'one',
      '--set',
      'persistence.size=512Mi,persistence.storageClass=other',
      '--yes',
    );
    saw('provision with a volume from before, which is to be smaller and of another class', small);
    expect(small).toExitWith(1);
    expect(small.stderr).toMatch(
      /it has size 1Gi, not 512Mi; class host-path, not other\n.*--set persistence.size=1Gi,persistence.storageClass=host-path/,
    );
    expect(await there('deployment/factory-one', 'configmap/factory-one')).toEqual([]);
    expect(await helm('list', '--all', '--short', `--namespace=${NAMESPACE}`)).not.toMatch(/^one$/m);

    const again = await provision('one', '--yes');
    saw('provision with a volume from before', again);
    expect(again).toExitWith(0);
    expect([await queueOf(one), await isDrained(one)]).toEqual([queue, false]);
  });

  it('--purge wants the name, and leaves nothing', async () => {
    expect(await onOne('retire', '--purge', '--yes')).toExitWith(2);
    expect(await onOne('retire', '--purge', '--confirm', 'two')).toExitWith(2);
    expect(await there('deployment/factory-one')).toHaveLength(1);
    const answer = await onOne('retire', '--purge', '--confirm', 'one');
    saw('retire --purge', answer);
    expect(answer).toExitWith(0);
    await until('everything is gone', 60, async () => {
      const left = await kubectl(
        '-n',
        NAMESPACE,
        'get',
        'deployments,persistentvolumeclaims,configmaps,networkpolicies,serviceaccounts,secrets',
        '--output=name',
      );
      return !/factory-one|release\.v1\.one\./.test(left);
    });
  });

  it('goes on where a run before it stopped: only the entry is left', async () => {
    await helm('uninstall', 'half', `--namespace=${NAMESPACE}`, '--wait');
    const answer = await operator.type('retire', 'half', ...PATIENT, '--yes');
    expect(answer).toExitWith(0);
    expect(readFileSync(operator.file, 'utf8')).not.toContain('name: half\n');
    const left = await operator.type('retire', 'half', ...PLACE);
    expect(left, left.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('half is already retired'),
    });
  });
});
