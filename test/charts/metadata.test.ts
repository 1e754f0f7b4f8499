import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { CHART, HELMS, KUBERNETES, newestHelm, ROOT, refusal, render, run } from './helm.ts';
import { values, withTable } from './values-table.ts';

const read = (...path: string[]) => readFileSync(join(CHART, ...path), 'utf8');
const chart = parse(read('Chart.yaml'));
const CI = readdirSync(join(CHART, 'ci')).map((file) => join(CHART, 'ci', file));

describe.each(HELMS)('$name', (helm) => {
  test('lints every set of values strictly, without a remark', async () => {
    for (const file of CI) {
      const args = ['lint', '--strict', '--kube-version', KUBERNETES.newest, '--values', file, CHART];
      const { code, stdout, stderr } = await run(helm, args);
      expect({
        file,
        code,
        remarks: /\[(INFO|WARNING|ERROR)\].*/.exec(stdout + stderr)?.[0] ?? null,
      }).toEqual({
        file,
        code: 0,
        remarks: null,
      });
    }
  });

  test('is refused by a Kubernetes that is too old, and by no other', async () => {
    expect(await refusal(helm, { kubernetes: '1.28.15' })).toContain('kubeVersion: >=1.29.0-0');
    await render(helm, { kubernetes: KUBERNETES.oldest });
    await render(helm, { kubernetes: '1.29.3-gke.1282000' });
  });
});

test('Chart.yaml says what the chart is', () => {
  expect(chart).toMatchObject({ apiVersion: 'v2', name: basename(CHART), type: 'application' });
  expect(chart.version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(read('Chart.yaml')).toMatch(/^appVersion: "/m);
  for (const text of [chart.description, chart.home, chart.icon]) expect(text).toMatch(/\S/);
  for (const list of [chart.sources, chart.keywords, chart.maintainers]) expect(list).not.toHaveLength(0);
  expect(chart.maintainers[0]).toEqual({ name: expect.any(String), url: expect.stringMatching(/^https:/) });
});

test('annotations for Artifact Hub are strings that say what is true', async () => {
  for (const value of Object.values(chart.annotations)) expect(value).toBeTypeOf('string');
  const image = (await render(newestHelm())).container.image;
  expect(parse(chart.annotations['artifacthub.io/images'])).toEqual([{ name: 'worker', image }]);
  const changes = parse(chart.annotations['artifacthub.io/changes']) as { description: string }[];
  expect(changes.map((change) => `- ${change.description}`).join('\n')).toBe(entry(chart.version));
});

/** The entries of one version in CHANGELOG.md. */
function entry(version: string): string | undefined {
  return read('CHANGELOG.md')
    .split(/^## /m)
    .find((section) => section.startsWith(`${version}\n`))
    ?.slice(version.length)
    .trim();
}

test('CHANGELOG.md has entries for this version', () => {
  expect(entry(chart.version)).toMatch(/^- \S/);
});

test('the table of values in README.md is that of values.yaml', () => {
  const readme = read('README.md');
  expect(withTable(readme)).toBe(readme);
  for (const { path } of values()) expect(readme).toContain(`| \`${path}\` |`);
});

test('every value has a description', () => {
  expect(values().length).toBeGreaterThan(50);
  for (const value of values())
    expect(value).toEqual({ ...value, description: expect.stringMatching(/^\S.{10}/) });
  expect(() => values('a:\n  b: 1\n')).toThrow('a.b has no comment');
});

test('links of README.md lead somewhere', () => {
  const links = [...read('README.md').matchAll(/\]\((?!https:)([^)]+)\)/g)].map((match) => match[1] ?? '');
  expect(links.length).toBeGreaterThan(0);
  for (const link of links)
    expect({ link, there: existsSync(join(CHART, link)) }).toEqual({ link, there: true });
});

test('README.md speaks of no value that there is not', () => {
  const known = values().map((value) => value.path);
  const roots = new Set(known.filter((path) => path.includes('.')).map((path) => path.split('.')[0]));
  const named = [...read('README.md').matchAll(/`([A-Za-z]+(?:\.[A-Za-z_]+)+)/g)].map(
    (match) => match[1] ?? '',
  );
  const unknown = named.filter((path) => roots.has(path.split('.')[0]) && !known.includes(path));
  expect(unknown.filter((path) => !known.some((other) => other.startsWith(`${path}.`)))).toEqual([]);
});

test('there are at least three sets of values for lint, and the settings of ct', () => {
  expect(CI.length).toBeGreaterThanOrEqual(3);
  for (const file of ['ct.yaml', '.ct/lintconf.yaml', '.ct/chart_schema.yaml']) {
    expect({ file, there: existsSync(join(ROOT, file)) }).toEqual({ file, there: true });
  }
  expect(parse(read('ci', 'default-values.yaml'))).toEqual({});
});
