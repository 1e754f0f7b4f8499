import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../scripts/lib/contract.ts';
import { CHART, HELMS, type KubernetesObject, render } from './helm.ts';

const CANARY = 'canary-7f3a';
const decode = (text: string) => Buffer.from(text, 'base64').toString();
const claim = (rendered: KubernetesObject) => rendered.one('PersistentVolumeClaim');

describe.each(HELMS)('$name', (helm) => {
  test('the volume is kept, unless it is said not to be', async () => {
    const policy = async (persistence: object) =>
      claim(await render(helm, { values: { persistence } })).metadata.annotations;
    expect(await policy({})).toEqual({ 'helm.sh/resource-policy': 'keep' });
    expect(await policy({ keep: false })).toBeUndefined();
    expect(await policy({ keep: false, annotations: { a: 'b' } })).toEqual({ a: 'b' });
    expect(await policy({ annotations: { a: 'b' } })).toEqual({ a: 'b', 'helm.sh/resource-policy': 'keep' });
  });

  test('the volume is what the values say', async () => {
    expect(claim(await render(helm)).spec).toEqual({
      accessModes: ['ReadWriteOncePod'],
      resources: { requests: { storage: '20Gi' } },
    });
    const persistence = { size: '1.5Ti', storageClass: 'retained', accessMode: 'ReadWriteOnce' };
    expect(claim(await render(helm, { values: { persistence } })).spec).toEqual({
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'retained',
      resources: { requests: { storage: '1.5Ti' } },
    });
  });

  test('a storage class is the cluster’s own, none, or the one named', async () => {
    const spec = async (storageClass: string) =>
      claim(await render(helm, { values: { persistence: { storageClass } } })).spec;
    expect(await spec('')).not.toHaveProperty('storageClassName');
    expect((await spec('-')).storageClassName).toBe('');
    expect((await spec('fast')).storageClassName).toBe('fast');
  });

  test('a claim of the operator is used, and none is made', async () => {
    const rendered = await render(helm, { files: [join(CHART, 'ci', 'existing-values.yaml')] });
    expect(rendered.all('PersistentVolumeClaim')).toEqual([]);
    expect(rendered.volume('state').persistentVolumeClaim.claimName).toBe('team-worker-data');
    expect(rendered.volume('docker').persistentVolumeClaim.claimName).toBe('team-worker-docker');
  });

  test('without persistence there is no claim', async () => {
    const rendered = await render(helm, { values: { persistence: { enabled: false } } });
    expect(rendered.all('PersistentVolumeClaim')).toEqual([]);
    expect(rendered.volume('state')).toEqual({ name: 'state', emptyDir: {} });
  });

  test('a claim for Docker goes with the release', async () => {
    const values = { docker: { storage: { kind: 'claim', size: '60Gi', storageClass: 'fast' } } };
    const claims = (await render(helm, { values })).all('PersistentVolumeClaim');
    const docker = claims.find((one) => one.metadata.name === 'factory-worker-1-docker');
    expect(docker.metadata).not.toHaveProperty('annotations');
    expect(docker.spec).toEqual({
      accessModes: ['ReadWriteOncePod'],
      storageClassName: 'fast',
      resources: { requests: { storage: '60Gi' } },
    });
    expect(claims).toHaveLength(2);
  });

  test('a release without any secret mounts one that may come later', async () => {
    const rendered = await render(helm);
    expect(rendered.all('Secret')).toEqual([]);
    expect(rendered.volume('secrets').secret).toEqual({
      secretName: 'factory-worker-1-secrets',
      defaultMode: 0o400,
      optional: true,
    });
  });

  test('a Secret of the operator is mounted, and none is made', async () => {
    const rendered = await render(helm, { values: { secrets: { existingSecret: 'mine' } } });
    expect(rendered.all('Secret')).toEqual([]);
    expect(rendered.volume('secrets').secret.secretName).toBe('mine');
  });

  test('an inline secret holds the keys that were given, cleaned', async () => {
    const key = '-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----';
    const inline = { GH_TOKEN: ' token\n', GH_USER: 'bot\n', SSH_PRIVATE_KEY: key };
    const { data } = (await render(helm, { values: { secrets: { inline } } })).one('Secret');
    // ssh refuses a key without a last newline, and GitHub a token with one.
    expect(
      Object.fromEntries(Object.entries(data).map(([name, text]) => [name, decode(text as string)])),
    ).toEqual({
      GH_TOKEN: 'token',
      GH_USER: 'bot',
      SSH_PRIVATE_KEY: `${key}\n`,
    });
    const blank = await render(helm, { values: { secrets: { inline: { GH_TOKEN: ' \n' } } } });
    expect(blank.all('Secret')).toEqual([]);
  });

  test('a secret value appears in the Secret alone', async () => {
    const inline = {
      CLAUDE_CODE_OAUTH_TOKEN: `${CANARY}-1`,
      GH_TOKEN: `${CANARY}-2`,
      GH_USER: `${CANARY}-3`,
      SSH_PRIVATE_KEY: `-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----\n`,
      DATABASE_URL: `postgres://me:${CANARY}@db.example.com/queue`,
    };
    for (const asEnv of [false, true]) {
      const { objects } = await render(helm, { values: { secrets: { inline, asEnv } } });
      const holding = objects.filter((object) => contains(object, CANARY));
      expect(holding.map((object) => object.kind)).toEqual(['Secret']);
    }
  });

  test('another database restarts the pod, whose sessions keep the URL', async () => {
    const checksum = async (url: string) => {
      const { pod } = await render(helm, { values: { secrets: { inline: { DATABASE_URL: url } } } });
      return pod.metadata.annotations['checksum/database'];
    };
    const one = await checksum('postgres://db.example.com/one');
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(await checksum('postgres://db.example.com/two')).not.toBe(one);
    expect(await checksum('')).toBeUndefined();
  });

  test.each(['sqlite', 'postgres', 'url'])('the worker is told that its database is %s', async (kind) => {
    const { pod } = await render(helm, { values: { database: { kind } } });
    expect(pod.spec.containers[0].env).toContainEqual({ name: 'FACTORY_DATABASE', value: kind });
  });

  test('by default it is told nothing, so a newer chart restarts no worker', async () => {
    const { pod } = await render(helm);
    expect(JSON.stringify(pod.spec.containers[0].env)).not.toContain('FACTORY_DATABASE');
  });

  test('tokens are in the environment only when that is asked for, and then a change restarts', async () => {
    const pod = async (token: string, asEnv: boolean, key = '') =>
      (
        await render(helm, {
          values: { secrets: { inline: { GH_TOKEN: token, SSH_PRIVATE_KEY: key }, asEnv } },
        })
      ).pod;
    expect(JSON.stringify(await pod('one', false))).not.toMatch(/secretKeyRef|checksum\/secrets/);
    const { env } = (await pod('one', true)).spec.containers[0];
    for (const key of ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN', 'GH_USER']) {
      const secretKeyRef = { name: 'factory-worker-1-secrets', key, optional: true };
      expect(env).toContainEqual({ name: key, valueFrom: { secretKeyRef } });
    }
    const checksum = async (...args: Parameters<typeof pod>) =>
      (await pod(...args)).metadata.annotations['checksum/secrets'];
    expect(await checksum('one', true)).toMatch(/^[0-9a-f]{64}$/);
    expect(await checksum('two', true)).not.toBe(await checksum('one', true));
    // The SSH key is never in the environment.
    const key = '-----BEGIN PRIVATE KEY-----\n';
    expect(await checksum('one', true, key)).toBe(await checksum('one', true));

    const existing = { secrets: { existingSecret: 'mine', asEnv: true } };
    expect((await render(helm, { values: existing })).pod.metadata.annotations).not.toHaveProperty([
      'checksum/secrets',
    ]);
  });

  test('projects.json is a list with every field', async () => {
    const projects = [
      { name: 'deathcookies', repo: 'owner/deathcookies' },
      { name: 'site', repo: 'https://git.example.com/site.git', branch: 'next', config: 'ci/p.yaml' },
      { name: 'bare', repo: 'file:///srv/git/bare.git', branch: '' },
      { name: 'path', repo: '/srv/git/path.git', branch: null },
      { name: 'scp', repo: 'git@git.example.com:team/scp.git' },
    ];
    expect((await render(helm)).config('projects.json')).toEqual([]);
    const config = { config: 'pipeline.yaml', branch: null };
    expect((await render(helm, { values: { projects } })).config('projects.json')).toEqual([
      { ...config, ...projects[0] },
      projects[1],
      { ...config, ...projects[2], branch: null },
      { ...config, ...projects[3] },
      { ...config, ...projects[4] },
    ]);
  });

  test('settings.json says what the image takes for granted', async () => {
    const settings = (await render(helm)).config('settings.json');
    const docker = { ...DEFAULT_SETTINGS.docker, enabled: true };
    expect(settings).toEqual({
      ...DEFAULT_SETTINGS,
      shutdown: { ...DEFAULT_SETTINGS.shutdown, graceSeconds: 1500 },
      docker: { ...docker, storage: { kind: 'emptyDir', sizeBytes: 20 * 1024 ** 3 } },
    });
  });

  test('settings.json holds what was set, in bytes and seconds', async () => {
    const { config } = {
      config: (await render(helm, { files: [join(CHART, 'ci', 'full-values.yaml')] })).config(
        'settings.json',
      ),
    };
    expect(config).toEqual({
      schema: 1,
      orchestrator: { enabled: false, intervalSeconds: 120 },
      claude: { askUserQuestion: true },
      docker: {
        enabled: true,
        mtu: 1400,
        addressPools: [{ base: '10.200.0.0/16', size: 24 }],
        registryMirrors: ['https://mirror.example.com'],
        storage: { kind: 'ephemeral', sizeBytes: 50 * 1024 ** 3 },
        memoryReserveBytes: 1536 * 1024 ** 2,
      },
      shutdown: { waitForStageSeconds: 3600, graceSeconds: 4000 },
    });
  });

  test.each([
    ['1Ki', 1024],
    ['512Mi', 512 * 1024 ** 2],
    ['1.5Gi', 1.5 * 1024 ** 3],
    ['2Ti', 2 * 1024 ** 4],
    ['1k', 1000],
    ['20G', 20e9],
    ['3T', 3e12],
    ['21474836480', 21474836480],
  ])('the size %s is %d bytes', async (size, bytes) => {
    const { docker } = (await render(helm, { values: { docker: { storage: { size } } } })).config(
      'settings.json',
    );
    expect(docker.storage.sizeBytes).toBe(bytes);
  });

  test.each([
    ['45', 45],
    [45, 45],
    ['45s', 45],
    ['2m', 120],
    ['1h', 3600],
  ])('the time %s is %d seconds', async (interval, seconds) => {
    const settings = (await render(helm, { values: { orchestrator: { interval } } })).config('settings.json');
    expect(settings.orchestrator.intervalSeconds).toBe(seconds);
  });
});

/** Whether a text is anywhere in an object, in base64 too. */
function contains(object: KubernetesObject, text: string): boolean {
  if (typeof object === 'string') return object.includes(text) || decode(object).includes(text);
  if (typeof object !== 'object' || object === null) return false;
  return Object.entries(object).some(([key, value]) => key.includes(text) || contains(value, text));
}
