import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { COMMANDS } from '../../scripts/commands.ts';
import { workers } from '../../scripts/workers.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { type RunOptions, run } from '../support/run-command.ts';

const FILE = `# mine
workers:
  - name: worker-1
    pod: factory-worker-1        # the Deployment
    namespace: factory
    context: do-nyc1-factory
  - name: laptop
    runtime: local
    home: ~/laptop
`;

const deployments = (...found: [name: string, namespace: string, instance: string][]) =>
  JSON.stringify({
    items: found.map(([name, namespace, instance]) => ({
      metadata: {
        name,
        namespace,
        labels: { 'app.kubernetes.io/name': 'factory-worker', 'app.kubernetes.io/instance': instance },
      },
    })),
  });

/** A cluster with the releases worker-1 and worker-2, and a current context. */
const CLUSTER: readonly Rule[] = [
  { match: ['config', 'current-context'], stdout: 'do-nyc1-factory\n' },
  {
    match: ['get', 'deployments'],
    warnings: 'W0101 12:00:00.000000 1 memcache.go:1] noise\n',
    stdout: deployments(
      ['factory-worker-1', 'factory', 'worker-1'],
      ['factory-worker-2', 'factory', 'worker-2'],
    ),
  },
  {
    match: ['get', 'deployments,statefulsets,pods', '--field-selector=metadata.name=factory-worker-2'],
    stdout: 'deployment.apps/factory-worker-2\n',
  },
  { match: ['get', 'deployments,statefulsets,pods'], stdout: '' },
];

let home: string;
let file: string;
let kubectl: FakeKubectl;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'home '));
  file = join(home, 'workers.yaml');
  kubectl = fakeKubectl(CLUSTER);
});
afterEach(() => {
  rmSync(home, { recursive: true });
  kubectl.remove();
});

const type = (line: string, options: RunOptions = {}) =>
  run(workers, line.split(' ').filter(Boolean), {
    ...options,
    env: { HOME: home, FACTORY_WORKERS: file, KUBECTL: kubectl.path, ...options.env },
  });
const given = (text: string) => writeFileSync(file, text);
const now = () => readFileSync(file, 'utf8');
const USAGE =
  'usage: factory-worker workers add|remove|show [NAME] [flags]\nfactory-worker workers --help explains\n';

describe('workers', () => {
  it('is in the umbrella command', async () => {
    expect(await COMMANDS['workers']?.load()).toBe(workers);
  });

  it.each([
    ['', 'add|remove|show is missing', undefined],
    ['ad worker-1', 'workers can add, remove and show, not "ad"', 'did you mean add?'],
    ['remove', 'NAME is missing: which worker to remove?', undefined],
    ['show a b', 'unexpected argument "b"', undefined],
    ['show --pod p', '--pod is only for workers add', undefined],
    ['remove worker-1 --context c', '--context is only for workers add', undefined],
    ['add worker-3 --yes', '--yes is only for workers remove', undefined],
    ['add worker-3 --home /x', 'only a local worker has a home', 'add --runtime local'],
    ['add worker-3 --runtime local', '--home is missing: the folder of the local worker', undefined],
    ['add worker-3 --runtime local --home /x --pod p', 'a local worker has no pod', 'leave out --pod'],
    ['add worker-3 --runtime lokal', '--runtime takes kubernetes, local; not "lokal"', 'did you mean local?'],
    [
      'add worker-3 --timeout soon',
      '--timeout: "soon" is not a duration',
      'write it like 500ms, 30s, 5m or 1h',
    ],
    [
      'add Worker_3',
      'name: must be lower-case letters, digits and hyphens, with a letter or digit at both ends, at most 63, not "Worker_3"; did you mean "worker-3"?',
      undefined,
    ],
  ])('"%s" is refused', async (line, message, hint) => {
    given(FILE);
    const error = `error: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}${USAGE}`;
    expect(await type(line)).toEqual({ code: 2, stdout: '', stderr: error });
    expect(now()).toBe(FILE);
    expect(kubectl.calls()).toEqual([]);
  });

  it('does nothing with a file that has mistakes', async () => {
    given('workers:\n  - nme: a\n');
    for (const line of ['show', 'add worker-3', 'remove a --yes']) {
      const { code, stderr } = await type(line);
      expect(code).toBe(2);
      expect(stderr).toContain('~/workers.yaml:2:5 workers[0].nme: unknown key; did you mean "name"?');
    }
    expect(kubectl.calls()).toEqual([]);
  });
});

describe('workers show', () => {
  it('prints a table', async () => {
    given(FILE);
    expect(await type('show')).toEqual({
      code: 0,
      stdout: `NAME      POD               NAMESPACE  CONTEXT          HOME
worker-1  factory-worker-1  factory    do-nyc1-factory  -
laptop    (local)           -          -                ${home}/laptop
`,
      stderr: '',
    });
    expect((await type('show worker-1 --no-headers')).stdout).toBe(
      'worker-1  factory-worker-1  factory  do-nyc1-factory\n',
    );
  });

  it('prints names, JSON and YAML', async () => {
    given(FILE);
    expect((await type('show -o name')).stdout).toBe('worker-1\nlaptop\n');
    const json = JSON.parse((await type('show --json')).stdout);
    expect(json).toEqual([
      {
        runtime: 'kubernetes',
        name: 'worker-1',
        pod: 'factory-worker-1',
        namespace: 'factory',
        context: 'do-nyc1-factory',
      },
      { runtime: 'local', name: 'laptop', home: join(home, 'laptop') },
    ]);
    expect(parse((await type('show laptop -o yaml')).stdout)).toEqual({
      workers: [{ name: 'laptop', runtime: 'local', home: join(home, 'laptop') }],
    });
  });

  it('says on stderr when there are none', async () => {
    given('workers: []\n');
    expect(await type('show')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no workers in ~/workers.yaml; add one: factory-worker workers add NAME\n',
    });
    expect(await type('show -o json')).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
  });

  it('knows no worker of another name', async () => {
    given(FILE);
    expect(await type('show worker-2')).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: no worker "worker-2" in ~/workers.yaml\n  did you mean worker-1?\n  workers: worker-1, laptop\n${USAGE}`,
    });
  });

  it('says how to make a file', async () => {
    const { code, stderr } = await type('show');
    expect(code).toBe(1);
    expect(stderr).toContain('error: there is no ~/workers.yaml, the file that names your workers\n');
    expect(stderr).toContain('  one whose release is installed: factory-worker workers add worker-1\n');
  });
});

describe('workers add', () => {
  const ADDED = `${FILE}  - name: worker-2
    pod: factory-worker-2
    namespace: factory
    context: do-nyc1-factory
`;

  it('reads pod, namespace and context off the live release', async () => {
    given(FILE);
    expect(await type('add worker-2')).toEqual({
      code: 0,
      stdout: 'worker-2 added to ~/workers.yaml\n',
      stderr:
        'pod factory-worker-2, namespace factory, context do-nyc1-factory\nlook at it: factory-worker status worker-2\n',
    });
    expect(now()).toBe(ADDED);
    expect(kubectl.calls().map(({ argv }) => argv)).toEqual([
      ['config', 'current-context'],
      [
        '--request-timeout=30s',
        '--context=do-nyc1-factory',
        'get',
        'deployments',
        '--all-namespaces',
        '--selector=app.kubernetes.io/name=factory-worker',
        '--output=json',
      ],
    ]);
  });

  it('neither reads nor replaces what is not a regular file', async () => {
    execFileSync('mkfifo', [file]);
    expect(await type('add worker-2')).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: ${file} is not a regular file; nothing was written\n`,
    });
    expect(lstatSync(file).isFIFO()).toBe(true);
  });

  it('is harmless a second time', async () => {
    given(FILE);
    await type('add worker-2');
    expect(await type('add worker-2')).toMatchObject({
      code: 0,
      stdout: 'worker-2 already in ~/workers.yaml\n',
    });
    expect(now()).toBe(ADDED);
  });

  it('refuses another worker of the same name', async () => {
    given(FILE);
    expect(await type('add worker-1 --container agent')).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: worker-1 is in ~/workers.yaml already: pod factory-worker-1, namespace factory, context do-nyc1-factory
  what would be added: pod factory-worker-1, namespace factory, context do-nyc1-factory, container agent
  to replace it: factory-worker workers remove worker-1, then add it again
`,
    });
    expect(now()).toBe(FILE);
  });

  it('makes the file, with the schema for editors, and takes what was given', async () => {
    const kubeconfig = join(home, 'kube');
    const line =
      'add worker-2 -n factory --pod factory-worker-2 --context c --container worker --kubeconfig ~/kube';
    expect((await type(line)).code).toBe(0);
    expect(now()).toMatch(/^# yaml-language-server: \$schema=\/.*\/workers\.schema\.json\nworkers:\n/);
    expect(parse(now())).toEqual({
      workers: [
        {
          name: 'worker-2',
          pod: 'factory-worker-2',
          namespace: 'factory',
          context: 'c',
          container: 'worker',
          kubeconfig,
        },
      ],
    });
    const schema = String(/schema=(.*)/.exec(now())?.[1]);
    expect(existsSync(schema)).toBe(true);
    for (const { argv } of kubectl.calls()) expect(argv).toContain(`--kubeconfig=${kubeconfig}`);
  });

  it('adds to an empty file', async () => {
    given('# later\n');
    expect((await type('add laptop --runtime local --home /')).code).toBe(0);
    expect(now()).toBe('# later\nworkers:\n  - name: laptop\n    runtime: local\n    home: /\n');
    expect(kubectl.calls()).toEqual([]);
  });

  it('takes the folder of a local worker from where it was typed', async () => {
    const { stderr } = await type('add laptop --runtime local --home not/there');
    const folder = join(process.cwd(), 'not/there');
    expect(stderr).toContain(`note: there is no folder ${folder} yet\n`);
    expect(parse(now())).toEqual({ workers: [{ name: 'laptop', runtime: 'local', home: folder }] });
  });

  describe('with everything given', () => {
    const line = 'add worker-3 --pod factory-worker-3 --namespace factory --context c';
    const entry = { name: 'worker-3', pod: 'factory-worker-3', namespace: 'factory', context: 'c' };
    const where = 'worker-3 (context c, namespace factory)';

    it.each([
      [
        'finds nothing there',
        CLUSTER,
        'taken as given, but namespace factory of context c has no Deployment, StatefulSet or pod factory-worker-3',
      ],
      [
        'is unreachable',
        [{ code: 1, stderr: 'Unable to connect to the server: dial tcp: i/o timeout\n' }],
        `taken as given, since it could not be checked: cannot look up ${where}: Unable to connect to the server: dial tcp: i/o timeout`,
      ],
      [
        'forbids it',
        [
          {
            code: 1,
            stderr:
              'Error from server (Forbidden): deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps" in the namespace "factory"\n',
          },
        ],
        `taken as given, since it could not be checked: cannot look up ${where}: deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps" in the namespace "factory"`,
      ],
    ])('adds it although the cluster %s, and says so', async (_, rules, note) => {
      kubectl.setRules(rules);
      const { code, stderr } = await type(line);
      expect(stderr).toContain(`note: ${note}\n`);
      expect(code).toBe(0);
      expect(parse(now())).toEqual({ workers: [entry] });
    });

    it('needs no kubectl', async () => {
      const { code, stderr } = await type(line, { env: { KUBECTL: 'kubectl-that-is-not-there' } });
      expect(code).toBe(0);
      expect(stderr).toContain('kubectl-that-is-not-there is not installed, or not on PATH');
      expect(parse(now())).toEqual({ workers: [entry] });
    });

    it('says nothing when the cluster confirms it', async () => {
      const { stderr } = await type('add worker-2 --pod factory-worker-2 --namespace factory --context c');
      expect(stderr).not.toContain('note:');
    });
  });

  describe('that cannot look', () => {
    it('exits 127 without kubectl, and says how to get it', async () => {
      expect(await type('add worker-2', { env: { KUBECTL: 'kubectl-that-is-not-there' } })).toEqual({
        code: 127,
        stdout: '',
        stderr:
          'error: kubectl-that-is-not-there is not installed, or not on PATH\n  get it: https://kubernetes.io/docs/tasks/tools/ (or set KUBECTL to its path)\n',
      });
      expect(existsSync(file)).toBe(false);
    });

    it('asks for a context when kubectl has none', async () => {
      kubectl.setRules([{ code: 1, stderr: 'error: current-context is not set\n' }]);
      expect(await type('add worker-2')).toEqual({
        code: 1,
        stdout: '',
        stderr: `error: kubectl has no current context, so there is no cluster to look in
  give --context NAME; to list them: kubectl config get-contexts
`,
      });
    });

    it('says which releases there are', async () => {
      const { code, stderr } = await type('add worker-9 -n factory');
      expect(code).toBe(1);
      expect(
        stderr,
      ).toBe(`error: no Deployment of release worker-9 (label app.kubernetes.io/instance=worker-9, or called worker-9 or factory-worker-9) in namespace factory of context do-nyc1-factory
  releases there: worker-1 (namespace factory), worker-2 (namespace factory)
  give what you know: --pod NAME --namespace NAME --context NAME (with all three nothing is looked up)
`);
    });

    it('names the way without a look when it is forbidden', async () => {
      const stderr =
        'Error from server (Forbidden): deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps" at the cluster scope\n';
      kubectl.setRules([{ match: ['get'], code: 1, stderr }]);
      const outcome = await type('add worker-2 --context c');
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toMatch(
        /^error: cannot look up the release of worker-2 .*cannot list resource "deployments"/,
      );
      expect(outcome.stderr).toContain(
        'without asking the cluster: --pod NAME --namespace NAME --context NAME\n',
      );
    });

    it('gives up after --timeout with 124, and leaves no kubectl behind', async () => {
      kubectl.setRules([{ hang: true }]);
      const { code, stderr } = await type('add worker-2 --context c --timeout 300ms');
      expect(code).toBe(124);
      expect(stderr).toContain('no answer in time');
      expect(existsSync(file)).toBe(false);
    });
  });

  it('--dry-run shows the change and writes nothing', async () => {
    given(FILE);
    expect(await type('add worker-2 --dry-run')).toEqual({
      code: 0,
      stdout: `   - name: laptop
     runtime: local
     home: ~/laptop
+  - name: worker-2
+    pod: factory-worker-2
+    namespace: factory
+    context: do-nyc1-factory
`,
      stderr: '',
    });
    expect(now()).toBe(FILE);
  });

  it('--dry-run shows the whole file when there is none yet, and makes none', async () => {
    const { stdout, stderr } = await type('add laptop --runtime local --home / --dry-run');
    expect(stdout).toMatch(
      /^\+# yaml-language-server.*\n\+workers:\n\+ {2}- name: laptop\n\+ {4}runtime: local\n\+ {4}home: \/\n$/,
    );
    expect(stderr).toBe('~/workers.yaml would be created\n');
    expect(existsSync(file)).toBe(false);
  });

  it('-o json says what was done', async () => {
    given(FILE);
    const worker = {
      runtime: 'kubernetes',
      name: 'worker-2',
      pod: 'factory-worker-2',
      namespace: 'factory',
      context: 'do-nyc1-factory',
    };
    const answer = async (line: string) => JSON.parse((await type(line)).stdout);
    expect(await answer('add worker-2 -o json --dry-run')).toEqual({
      schema: 1,
      action: 'added',
      dryRun: true,
      file,
      worker,
    });
    const said = { schema: 1, dryRun: false, file, worker };
    expect(await answer('add worker-2 -o json')).toEqual({ ...said, action: 'added' });
    expect(await answer('add worker-2 -o json')).toEqual({ ...said, action: 'already' });
  });
});

describe('workers remove', () => {
  const LEFT = '# mine\nworkers:\n  - name: laptop\n    runtime: local\n    home: ~/laptop\n';
  const QUESTION =
    'Remove worker-1 (pod factory-worker-1, namespace factory, context do-nyc1-factory) from ~/workers.yaml? The worker itself is not touched.';

  it('asks on a terminal', async () => {
    given(FILE);
    const answer = (key: string) =>
      type('remove worker-1', { tty: true, columns: 200, keys: [{ after: 'Remove', type: `${key}\r` }] });
    const refused = await answer('n');
    expect(refused.stderr).toContain(QUESTION);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/nothing was changed\n$/) });
    expect(now()).toBe(FILE);
    expect(await answer('y')).toMatchObject({ code: 0, stdout: 'worker-1 removed from ~/workers.yaml\n' });
    expect(now()).toBe(LEFT);
  });

  it('needs --yes without a terminal', async () => {
    given(FILE);
    expect(await type('remove worker-1')).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: ${QUESTION} There is no terminal to ask on\n  give --yes\n${USAGE}`,
    });
    expect(now()).toBe(FILE);
    expect(await type('remove worker-1 --yes')).toEqual({
      code: 0,
      stdout: 'worker-1 removed from ~/workers.yaml\n',
      stderr: 'nothing in the cluster was touched: its release goes on\n',
    });
    expect(now()).toBe(LEFT);
    expect(kubectl.calls()).toEqual([]);
  });

  it('leaves the folder of a local worker', async () => {
    given(FILE);
    expect((await type('remove laptop -y')).stderr).toBe(`its folder ${home}/laptop was not touched\n`);
    expect(now()).toBe(FILE.slice(0, FILE.indexOf('  - name: laptop')));
  });

  it('--dry-run shows the change, asks nothing and writes nothing', async () => {
    given(FILE);
    expect(await type('remove laptop --dry-run')).toEqual({
      code: 0,
      stdout: `     pod: factory-worker-1        # the Deployment
     namespace: factory
     context: do-nyc1-factory
-  - name: laptop
-    runtime: local
-    home: ~/laptop
`,
      stderr: '',
    });
    expect(now()).toBe(FILE);
  });

  it('does not break a file whose other entries need this one', async () => {
    const shared =
      'workers:\n  - &a\n    name: a\n    pod: p\n    namespace: n\n    context: c\n  - <<: *a\n    name: b\n';
    given(shared);
    expect(await type('remove a --yes')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'error: ~/workers.yaml is written in a way that cannot be edited here; nothing was changed\n  edit it by hand: other lines of it may refer to this entry\n',
    });
    expect(now()).toBe(shared);
    expect((await type('remove b --yes')).code).toBe(0);
  });

  it('takes the last one out and leaves an empty list', async () => {
    given('workers:\n  - {name: a, runtime: local, home: /a}\n');
    await type('remove a --yes');
    expect(now()).toBe('workers: []\n');
  });
});
