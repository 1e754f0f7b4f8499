/** What the operator exports, and has in their configuration files, beside the programs that are started for them. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createExec } from '../../scripts/lib/exec.ts';
import { localEnvironment } from '../../scripts/lib/local/environment.ts';
import { localLayout } from '../../scripts/lib/local/layout.ts';
import { programEnvironment } from '../../scripts/lib/program-environment.ts';
import { clusterOf, kubectl } from '../../scripts/lib/transport/kubectl.ts';
import { PINS, pinnedHelm, pinnedKubectl } from '../charts/pinned-helm.ts';
import { apiServer } from '../support/api-server.ts';
import { needs } from '../support/needs.ts';
import { WORKER } from '../support/samples.ts';

describe('the environment of a program', () => {
  it.each([
    ['KUBECTL_EXTERNAL_DIFF', 'KUBECTL_KUBERC', 'KUBECTL_INTERACTIVE_DELETE'],
    ['HELM_NAMESPACE', 'HELM_KUBECONTEXT', 'HELM_KUBEAPISERVER', 'HELM_KUBETOKEN', 'HELM_KUBEASUSER'],
    ['HELM_KUBECAFILE', 'HELM_KUBEINSECURE_SKIP_TLS_VERIFY', 'HELM_MAX_HISTORY', 'HELM_DEBUG', 'HELM_COLOR'],
    ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_EXTERNAL_DIFF', 'GIT_PAGER', 'GIT_EXEC_PATH'],
    ['GIT_CONFIG', 'GIT_CONFIG_PARAMETERS', 'GIT_CONFIG_KEY_7', 'GIT_CONFIG_VALUE_7', 'GIT_TRACE'],
    ['BASH_ENV', 'ENV', 'SHELLOPTS', 'BASHOPTS', 'POSIXLY_CORRECT', 'CDPATH', 'BASH_FUNC_cd%%', 'GLOBIGNORE'],
    ['TAR_OPTIONS', 'TAPE', 'GZIP', 'BZIP2', 'XZ_OPT', 'XZ_DEFAULTS'],
    ['GREP_OPTIONS', 'GREP_COLOR', 'GREP_COLORS'],
    ['DOCKER_DEFAULT_PLATFORM', 'BUILDX_NO_DEFAULT_ATTESTATIONS', 'BUILDX_GIT_LABELS'],
    ['LC_ALL', 'LC_NUMERIC', 'LC_MESSAGES', 'LANGUAGE'],
  ])('has none of %s', (...names) => {
    const result = programEnvironment(Object.fromEntries(names.map((name) => [name, 'x'])));
    expect(names.filter((name) => name in result)).toEqual([]);
  });

  it.each([
    [
      'PATH',
      'HOME',
      'TERM',
      'USER',
      'KUBECTL',
      'HELM',
      'DOCKER',
      'KUBECONFIG',
      'KUBECACHEDIR',
      'NODE_OPTIONS',
    ],
    ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'SSL_CERT_FILE', 'SSH_AUTH_SOCK'],
    ['AWS_PROFILE', 'DIGITALOCEAN_ACCESS_TOKEN', 'GOOGLE_APPLICATION_CREDENTIALS', 'AZURE_CONFIG_DIR'],
    ['KUBECTL_REMOTE_COMMAND_WEBSOCKETS', 'KUBECTL_PORT_FORWARD_WEBSOCKETS'],
    [
      'HELM_DRIVER',
      'HELM_DRIVER_SQL_CONNECTION_STRING',
      'HELM_CACHE_HOME',
      'HELM_CONFIG_HOME',
      'HELM_DATA_HOME',
    ],
    ['HELM_REGISTRY_CONFIG', 'HELM_REPOSITORY_CONFIG', 'HELM_REPOSITORY_CACHE', 'HELM_PLUGINS', 'HELM_QPS'],
    ['GIT_CONFIG_GLOBAL', 'GIT_SSH_COMMAND', 'GIT_SSL_CAINFO', 'GIT_ASKPASS'],
    ['DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'DOCKER_CONTENT_TRUST', 'BUILDX_BUILDER'],
  ])('has %s as they are', (...names) => {
    const env = Object.fromEntries(names.map((name) => [name, `of ${name}`]));
    expect(programEnvironment(env)).toMatchObject(env);
  });

  it.each([
    ['no locale', {}, undefined],
    ['LANG', { LANG: 'de_DE.UTF-8' }, 'de_DE.UTF-8'],
    ['LC_CTYPE before LANG', { LANG: 'C', LC_CTYPE: 'en_US.UTF-8' }, 'en_US.UTF-8'],
    ['LC_ALL before both', { LANG: 'C', LC_CTYPE: 'C', LC_ALL: 'fr_FR.UTF-8' }, 'fr_FR.UTF-8'],
  ])('speaks English, in the characters of the operator: %s', (_, env, characters) => {
    const { LANG, LC_CTYPE, LC_ALL } = programEnvironment(env);
    expect({ LANG, LC_CTYPE, LC_ALL }).toEqual({ LANG: 'C', LC_CTYPE: characters, LC_ALL: undefined });
  });

  it('of a local worker is its own', () => {
    const env = { WORKER_RUNTIME: 'local', LC_ALL: 'C.UTF-8', GIT_SSL_CAINFO: '/ca', TMUX_TMPDIR: '/t' };
    expect(programEnvironment(env)).toEqual({ ...env, SHLVL: '1' });
  });
});

describe('beside an operator with settings of their own', () => {
  let home: string;
  let marker: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'program-environment-'));
    marker = join(home, 'marker');
  });
  afterEach(() => rmSync(home, { recursive: true }));

  const exec = createExec();
  const own = (env: NodeJS.ProcessEnv) => ({ env: { PATH: process.env['PATH'], HOME: home, ...env } });
  const file = (name: string, text: string) => {
    const path = join(home, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const program = (name: string, text: string) => {
    const path = file(name, text);
    chmodSync(path, 0o755);
    return path;
  };

  it('bash runs no file of theirs first', async () => {
    await exec.run(['bash', '-c', 'true'], own({ BASH_ENV: file('rc', `: >'${marker}'\n`) }));
    expect(existsSync(marker)).toBe(false);
  });

  it.each([
    ['the operator', {}],
    ['a local worker', localEnvironment(localLayout('/nowhere/w'), 'w', [], process.env)],
  ])('bash does not take a stdin of ours for a remote login, with the ~/.bashrc of %s', async (_, env) => {
    file('.bashrc', `: >'${marker}'\n`);
    const { code } = await exec.stream(['bash', '-c', 'cat'], {
      env: { PATH: process.env['PATH'], ...env, HOME: home },
      input: Readable.from(['x']),
      output: new PassThrough().resume(),
      idleMs: 10_000,
      signal: new AbortController().signal,
    });
    expect([code, existsSync(marker)]).toEqual([0, false]);
  });

  it('bash takes no function of theirs for a program, also where it has the terminal', async () => {
    const env = own({ 'BASH_FUNC_uname%%': `() { : >'${marker}'; }` });
    expect(await exec.interactive(['bash', '-c', 'uname >/dev/null'], env)).toBe(0);
    await exec.run(['bash', '-c', 'uname'], env);
    expect(existsSync(marker)).toBe(false);
  });

  it('tar and grep take no options of theirs', async () => {
    file('folder/one', 'one\n');
    const options = { ...own({ TAR_OPTIONS: '--exclude=one', GREP_OPTIONS: '-v' }), cwd: home };
    const packed = await exec.run(['tar', '-cf', 'a.tar', 'folder'], options);
    const listed = await exec.run(['tar', '-tf', 'a.tar'], options);
    const found = await exec.run(['grep', '-c', 'one', 'folder/one'], options);
    expect([packed.code, listed.stdout.toString(), found.stdout.toString()]).toEqual([
      0,
      'folder/\nfolder/one\n',
      '1\n',
    ]);
  });

  describe('git', () => {
    let checkout: string;
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', checkout, ...args], {
        env: { PATH: process.env['PATH'], HOME: home },
        encoding: 'utf8',
      });
    beforeEach(() => {
      checkout = join(home, 'checkout');
      mkdirSync(checkout);
      git('init', '--quiet');
      git('-c', 'user.name=A', '-c', 'user.email=a@example.org', 'commit', '-qm', 'one', '--allow-empty');
    });

    it('starts no hook and no fsmonitor of their configuration, and sees files that are not tracked', async () => {
      const touch = program('hooks/touch', `#!/bin/sh\n: >'${marker}'\n`);
      program('hooks/post-checkout', `#!/bin/sh\n: >'${marker}'\n`);
      file(
        '.gitconfig',
        `[core]\n\thooksPath = ${home}/hooks\n\tfsmonitor = ${touch}\n[status]\n\tshowUntrackedFiles = no\n[alias]\n\tstatus = !${touch}\n`,
      );
      file('checkout/new', 'new\n');
      const status = await exec.run(['git', '-C', checkout, 'status', '--porcelain'], own({}));
      expect([status.stdout.toString(), status.stderr]).toEqual(['?? new\n', '']);
      await exec.run(['git', '-C', checkout, 'checkout', '--quiet', '-b', 'other'], own({}));
      expect(existsSync(marker)).toBe(false);
    });

    it('is asked about the checkout that is meant, not about one that a hook of theirs is in', async () => {
      const env = own({ GIT_DIR: join(home, 'elsewhere'), GIT_INDEX_FILE: join(home, 'index') });
      const found = await exec.run(['git', '-C', checkout, 'rev-parse', '--show-toplevel'], env);
      expect([found.code, found.stdout.toString()]).toEqual([0, `${checkout}\n`]);
    });

    it('changes nothing in the checkout, not even what its index knows of a file that was only touched', async () => {
      const tracked = file('checkout/tracked', 'one\n');
      git('add', 'tracked');
      utimesSync(tracked, 1, 1);
      const index = () => readFileSync(join(checkout, '.git', 'index'));
      const before = index();
      await exec.run(['git', '-C', checkout, 'status', '--porcelain'], own({}));
      expect(index().equals(before)).toBe(true);
    });
  });

  it('a program speaks English, in characters that are theirs', async () => {
    const locales = execFileSync('locale', ['-a'], { encoding: 'utf8' });
    const characters = /^C\.utf-?8$/im.exec(locales)?.[0] ?? 'C';
    const { stdout } = await exec.run(['locale'], own({ LC_ALL: characters, LC_NUMERIC: 'x', LANG: 'x' }));
    const said = Object.fromEntries(
      stdout
        .toString()
        .trim()
        .split('\n')
        .map((line) => line.replaceAll('"', '').split('=')),
    );
    expect(said).toMatchObject({
      LANG: 'C',
      LC_CTYPE: characters,
      LC_MESSAGES: 'C',
      LC_NUMERIC: 'C',
      LC_ALL: '',
    });
  });

  it(
    'kubectl deletes what it is told to, whatever their kuberc says',
    needs(pinnedKubectl() !== null, 'the pinned kubectl: make helm'),
    async () => {
      await using server = await apiServer({ persistentvolumeclaims: ['factory-worker-1-data'] });
      file(
        '.kube/kuberc',
        `apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
defaults:
  - command: delete
    options:
      - name: interactive
        default: "true"
`,
      );
      const context = {
        exec,
        ...own({ KUBECTL: pinnedKubectl() ?? '', KUBECTL_KUBERC: 'true' }),
        signal: new AbortController().signal,
        now: () => new Date(),
      };
      const worker = { ...WORKER, context: server.context, kubeconfig: server.kubeconfig };
      const args = ['delete', 'persistentvolumeclaim', 'factory-worker-1-data', '--wait=false'];
      const { code, stdout, stderr } = await kubectl(clusterOf(context, 30_000), worker, args);
      expect({ code, stderr, stdout: stdout.toString() }).toMatchObject({ code: 0, stderr: '' });
      expect(stdout.toString()).toMatch(/ deleted/);
      expect(server.requests).toContain(
        'DELETE /api/v1/namespaces/factory/persistentvolumeclaims/factory-worker-1-data',
      );
    },
  );

  it.each(PINS.filter((pin) => pinnedHelm(pin)))('%s asks the cluster that it is told to', async (pin) => {
    await using theirs = await apiServer({});
    await using meant = await apiServer({});
    const [{ cluster: elsewhere }] = JSON.parse(readFileSync(theirs.kubeconfig, 'utf8')).clusters;
    const argv = [
      pinnedHelm(pin) ?? '',
      `--kubeconfig=${meant.kubeconfig}`,
      `--kube-context=${meant.context}`,
      'list',
    ] as const;
    await exec.run(argv, own({ HELM_KUBEAPISERVER: elsewhere.server }));
    expect(theirs.requests).toEqual([]);
    expect(meant.requests.length).toBeGreaterThan(0);
  });
});
