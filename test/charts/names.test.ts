import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { argumentsOf, CHART, HELMS, type KubernetesObject, refusal, render, run } from './helm.ts';

const FULL = join(CHART, 'ci', 'full-values.yaml');

describe.each(HELMS)('$name', (helm) => {
  test('the release worker-1 makes exactly the objects of the contract', async () => {
    const inline = { GH_TOKEN: 'x' };
    const rendered = await render(helm, { values: { secrets: { inline } } });
    expect(rendered.own.map((object) => `${object.kind}/${object.metadata.name}`).sort()).toEqual([
      'ConfigMap/factory-worker-1-config',
      'Deployment/factory-worker-1',
      'NetworkPolicy/factory-worker-1',
      'PersistentVolumeClaim/factory-worker-1-data',
      'Secret/factory-worker-1-secrets',
      'ServiceAccount/factory-worker-1',
    ]);
    expect(rendered.container.env).toContainEqual({ name: 'WORKER_NAME', value: 'worker-1' });
  });

  test('a release that begins with factory- does not get the prefix twice', async () => {
    for (const release of ['factory-worker-1', 'factory-worker-ab12cd34ef']) {
      const rendered = await render(helm, { release });
      expect(rendered.one('Deployment').metadata.name).toBe(release);
      const name = release.slice('factory-'.length);
      expect(rendered.container.env).toContainEqual({ name: 'WORKER_NAME', value: name });
    }
    expect((await render(helm, { release: 'factory' })).one('Deployment').metadata.name).toBe(
      'factory-factory',
    );
  });

  test('every name has at most 63 characters, or the release is refused', async () => {
    for (const release of ['w'.repeat(47), `factory-${'w'.repeat(45)}`]) {
      const { objects } = await render(helm, { release, files: [FULL] });
      for (const { metadata } of objects) expect(metadata.name.length).toBeLessThanOrEqual(63);
    }
    expect(await refusal(helm, { release: 'w'.repeat(48) })).toMatch(
      /^release name .* Choose one that is 1 shorter/,
    );
  });

  test('the selector is name and instance, and nothing else', async () => {
    for (const files of [[], [FULL]]) {
      const rendered = await render(helm, { files });
      const labels = { 'app.kubernetes.io/name': 'factory-worker', 'app.kubernetes.io/instance': 'worker-1' };
      expect(rendered.one('Deployment').spec.selector).toEqual({ matchLabels: labels });
      expect(rendered.pod.metadata.labels).toMatchObject(labels);
      for (const label of ['helm.sh/chart', 'app.kubernetes.io/version']) {
        expect(rendered.pod.metadata.labels).not.toHaveProperty([label]);
        expect(rendered.one('Deployment').metadata.labels).toHaveProperty([label]);
      }
    }
  });

  test('every object is in the namespace of the release', async () => {
    for (const namespace of ['factory', 'another']) {
      const { objects, text } = await render(helm, { namespace, files: [FULL] });
      for (const { metadata } of objects) expect(metadata.namespace).toBe(namespace);
      const others = text.replaceAll(/factory-|factory\/|\.factory|namespace: "factory"/g, '');
      if (namespace === 'another') expect(others).not.toMatch(/"factory"/);
    }
  });

  test('two namespaces differ in the namespace alone', async () => {
    const [here, there] = await Promise.all(
      ['one', 'two'].map((namespace) => render(helm, { namespace, files: [FULL] })),
    );
    expect(there?.text.replaceAll('"two"', '"one"')).toBe(here?.text);
  });

  test('two releases of one namespace share no object and no selector', async () => {
    const [one, two] = await Promise.all(
      ['worker-1', 'worker-2'].map((release) => render(helm, { release, files: [FULL] })),
    );
    expect(one?.names.filter((name) => two?.names.includes(name))).toEqual([]);
    expect(one?.names.length).toBe(two?.names.length);
    expect(one?.one('Deployment').spec.selector).not.toEqual(two?.one('Deployment').spec.selector);
  });

  test('whatever an object refers to is part of the release', async () => {
    const rendered = await render(helm, { files: [FULL] });
    const referred = [
      `ServiceAccount/${rendered.pod.spec.serviceAccountName}`,
      `ConfigMap/${rendered.volume('config').configMap.name}`,
      `Secret/${rendered.volume('secrets').secret.secretName}`,
      `PersistentVolumeClaim/${rendered.volume('state').persistentVolumeClaim.claimName}`,
    ];
    expect(rendered.names).toEqual(expect.arrayContaining(referred));
    const mounts = rendered.container.volumeMounts.map((mount: KubernetesObject) => mount.name).sort();
    expect(rendered.pod.spec.volumes.map((volume: KubernetesObject) => volume.name).sort()).toEqual(mounts);
  });

  test('the same input gives the same output', async () => {
    const { args } = argumentsOf({ files: [FULL] });
    const [one, two] = [await run(helm, ['template', ...args]), await run(helm, ['template', ...args])];
    expect(one.code).toBe(0);
    expect(two.stdout).toBe(one.stdout);
  });
});

test('templates neither look anything up nor draw lots, and read the namespace in one place', () => {
  const sources = readdirSync(join(CHART, 'templates'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(yaml|tpl|txt)$/.test(file))
    .map((file) => readFileSync(join(CHART, 'templates', file), 'utf8'))
    .join('\n');
  expect(sources).not.toMatch(/\b(lookup|rand[A-Z]\w*|uuidv4|now|gen[A-Z]\w+|getHostByName)\b/);
  expect(sources.match(/\.Release\.Namespace/g)).toHaveLength(1);
});
