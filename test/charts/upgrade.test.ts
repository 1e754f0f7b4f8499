import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { install, upgrade, useDryRuns } from './dry-run.ts';
import { CHART, HELMS, type KubernetesObject, newestHelm, Rendered, render, TESTS } from './helm.ts';
import { filesOf, packageChart } from './package.ts';
import { pinnedHelm } from './pinned-helm.ts';

useDryRuns();

const RELEASED = join(TESTS, 'released');
const packages = readdirSync(RELEASED).filter((file) => file.endsWith('.tgz'));

/** A package and one of the sets of values it was released with. */
const installed = packages.flatMap((file) => {
  const folder = join(RELEASED, basename(file, '.tgz'));
  return readdirSync(folder).map((values) => [file, values, join(folder, values)] as const);
});

/** What packages a release: Helm 4, whichever Helm is tested. */
const packager = pinnedHelm('helm4') ?? newestHelm().path;

const work = mkdtempSync(join(tmpdir(), 'charts-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A copy of the chart with some of its files edited. */
function edited(name: string, edits: Readonly<Record<string, (text: string) => string>>): string {
  const copy = join(work, name, 'factory-worker');
  cpSync(CHART, copy, { recursive: true });
  for (const [file, edit] of Object.entries(edits)) {
    const path = join(copy, file);
    const before = readFileSync(path, 'utf8');
    const after = edit(before);
    if (after === before) throw new Error(`nothing to edit in ${file}`);
    writeFileSync(path, after);
  }
  return copy;
}

/** What Kubernetes never lets change, or what would leave a volume behind if it did. */
function immutable(manifest: Rendered): KubernetesObject {
  return {
    deployments: manifest
      .all('Deployment')
      .map(({ metadata, spec }) => [metadata.name, spec.selector, spec.strategy]),
    claims: manifest
      .all('PersistentVolumeClaim')
      .map(({ metadata, spec }) => [
        metadata.name,
        metadata.annotations?.['helm.sh/resource-policy'],
        spec.accessModes,
        spec.storageClassName,
      ]),
    state: manifest.volume('state'),
    secrets: manifest.all('Secret').map(({ metadata }) => metadata.name),
  };
}

describe.each(HELMS)('$name', (helm) => {
  test.each(installed)('%s with %s upgrades, and keeps what cannot change', async (file, _values, path) => {
    const before = await install(helm, { chart: join(RELEASED, file), files: [path] });
    const after = await upgrade(helm, before, {}, '--reset-then-reuse-values');
    const [old, now] = [new Rendered(before.manifest), new Rendered(after.manifest)];
    expect(immutable(now)).toEqual(immutable(old));
    // The operator's values went on: the same as if they had been given anew.
    expect(now.objects).toEqual((await render(helm, { files: [path] })).own);
  });

  test.each(installed)(
    '%s with %s and --reuse-values works or is refused in a sentence',
    async (file, _v, path) => {
      const before = await install(helm, { chart: join(RELEASED, file), files: [path] });
      const outcome = await upgrade(helm, before, {}, '--reuse-values').catch(
        (error: Error) => error.message,
      );
      if (typeof outcome === 'string') expect(outcome).toContain('upgrade with --reset-then-reuse-values');
      else
        expect(immutable(new Rendered(outcome.manifest))).toEqual(immutable(new Rendered(before.manifest)));
    },
  );

  test('an upgrade that sets one value keeps the others', async () => {
    const before = await install(helm, { files: [join(CHART, 'ci', 'full-values.yaml')] });
    const after = await upgrade(
      helm,
      before,
      { args: ['--set', 'docker.mtu=1300'] },
      '--reset-then-reuse-values',
    );
    const settings = new Rendered(after.manifest).config('settings.json');
    expect(settings.docker).toMatchObject({ mtu: 1300, registryMirrors: ['https://mirror.example.com'] });
    expect(settings.orchestrator.enabled).toBe(false);
  });

  test('a value that only a newer chart knows: the right flag brings it, the wrong one is explained', async () => {
    const newer = edited(`newer-${helm.major}`, {
      'Chart.yaml': (text) => text.replace(/^version: .*/m, 'version: 99.0.0'),
      'values.yaml': (text) => `${text}\n# -- Only for this test.\nnovelty: x\n`,
      'values.schema.json': (text) =>
        text.replace('"global":', '"novelty": { "type": "string" },\n    "global":'),
      'templates/_validate.tpl': (text) => text.replace('\nglobal\n', '\nglobal novelty\n'),
      'templates/configmap.yaml': (text) => `${text}  novelty: {{ .Values.novelty }}\n`,
    });
    const before = await install(helm, { values: { replicas: 0 } });
    const after = await upgrade(helm, before, { chart: newer }, '--reset-then-reuse-values');
    expect(new Rendered(after.manifest).one('ConfigMap').data.novelty).toBe('x');
    expect(new Rendered(after.manifest).one('Deployment').spec.replicas).toBe(0);
    await expect(upgrade(helm, before, { chart: newer }, '--reuse-values')).rejects.toThrow(
      'values are missing: novelty. Do not set them to null, and upgrade with --reset-then-reuse-values',
    );
  });

  test('a new version of the chart alone changes one label of the objects, and nothing of the pod', async () => {
    const chart = edited(`bumped-${helm.major}`, {
      'Chart.yaml': (text) => text.replace(/^version: .*/m, 'version: 99.0.0'),
    });
    for (const file of readdirSync(join(CHART, 'ci'))) {
      const files = [join(CHART, 'ci', file)];
      const [before, after] = [await render(helm, { files }), await render(helm, { files, chart })];
      expect(after.pod).toEqual(before.pod);
      const lines = before.text.split('\n');
      const changed = after.text.split('\n').filter((line, index) => line !== lines[index]);
      expect(new Set(changed)).toEqual(new Set(['    helm.sh/chart: factory-worker-99.0.0']));
    }
  });
});

test('every released chart is kept, with the values it was released with', () => {
  expect(packages.length).toBeGreaterThan(0);
  for (const file of packages) {
    const chart = parse(filesOf(join(RELEASED, file)).get('factory-worker/Chart.yaml') ?? '');
    expect(file).toBe(`factory-worker-${chart.version}.tgz`);
    expect(installed.filter(([name]) => name === file).length).toBeGreaterThanOrEqual(3);
  }
});

/*
 * Any change under the chart is a new version: where this version has been packaged, the package is this chart.
 * Otherwise raise `version`, or, before its tag, `make chart-release`.
 */
test('a chart that differs from its released package has another version', () => {
  const { version } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'));
  const released = packages.find((file) => file === `factory-worker-${version}.tgz`);
  if (released === undefined) return;
  const now = filesOf(packageChart(packager, CHART, work));
  const then = filesOf(join(RELEASED, released));
  const differing = [...new Set([...now.keys(), ...then.keys()])].filter((path) => {
    const [one, other] = [now.get(path), then.get(path)];
    // Each Helm writes Chart.yaml in a manner of its own.
    return path.endsWith('/Chart.yaml')
      ? !isDeepStrictEqual(parse(one ?? ''), parse(other ?? ''))
      : one !== other;
  });
  expect(differing).toEqual([]);
});

test('a chart is packaged into the same bytes every time', () => {
  const [one, two] = ['a', 'b'].map((folder) => packageChart(packager, CHART, join(work, folder)));
  expect(readFileSync(one ?? '').equals(readFileSync(two ?? ''))).toBe(true);
});
