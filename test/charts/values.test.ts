import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CHART, HELMS, refusal, render } from './helm.ts';
import { values } from './values-table.ts';

const leaves = values().map((value) => value.path);
const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'));

/** Values that hold what Kubernetes defines, or names of the operator's own. */
const OPEN = new Set([
  'global',
  'resources',
  'affinity',
  'nodeSelector',
  'persistence.annotations',
  'commonLabels',
  'podLabels',
  'podAnnotations',
]);

describe.each(HELMS)('$name', (helm) => {
  test('takes anything under global', async () => {
    await render(helm, { args: ['--set', 'global.x=1'] });
  });

  test('leaves open what Kubernetes defines', async () => {
    const container = (await render(helm, { args: ['--set', 'resources.limits.example\\.com/gpu=1'] }))
      .container;
    expect(container.resources.limits).toMatchObject({ 'example.com/gpu': 1, memory: '8Gi' });
    const values = {
      affinity: { podAffinity: { anything: [] } },
      tolerations: [{ operator: 'Exists', anything: 1 }],
      nodeSelector: { a: 'b' },
      extraEnv: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    };
    const pod = (await render(helm, { values })).pod.spec;
    expect(pod).toMatchObject({ affinity: values.affinity, tolerations: values.tolerations });
  });

  test('refuses an unknown key in every object of its own', async () => {
    const blocks = new Set(leaves.flatMap((path) => parents(path)).filter((path) => !OPEN.has(path)));
    expect([...blocks]).toEqual(
      expect.arrayContaining(['docker.storage', 'secrets.inline', 'probes.startup']),
    );
    const all = ['', ...blocks];
    const args = all.map((block) => `${block === '' ? '' : `${block}.`}bogus=1`);
    const said = (await refusal(helm, { args: ['--set', args.join(',')] })).split('\n');
    const places = said.flatMap((line) => {
      // First as Helm says it now, then as Helm 3.18.0 does.
      const now = /at '\/?([^']*)': additional properties 'bogus' not allowed/.exec(line);
      const then = /- (.*): Additional property bogus is not allowed/.exec(line);
      return [now?.[1]?.replaceAll('/', '.'), then?.[1]?.replace('(root)', '')].filter(
        (place) => place !== undefined,
      );
    });
    expect(places.sort()).toEqual(all.sort());
  });

  test('numbers stay whole, from a file as from the command line', async () => {
    const startup = { failureThreshold: 2000000 };
    const values = { terminationGracePeriodSeconds: 1000000, probes: { startup } };
    const json = `terminationGracePeriodSeconds=1000000,probes.startup=${JSON.stringify(startup)}`;
    for (const call of [{ values }, { args: ['--set-json', json] }]) {
      const { text, pod } = await render(helm, call);
      expect(pod.spec.terminationGracePeriodSeconds).toBe(1000000);
      expect(pod.spec.containers[0].startupProbe.failureThreshold).toBe(2000000);
      expect(text).not.toMatch(/e\+\d/);
    }
  });

  test('strings that look like something else stay strings', async () => {
    const rendered = await render(helm, {
      release: '123',
      namespace: '456',
      values: {
        commonLabels: { a: '1e3' },
        podLabels: { b: 'true' },
        podAnnotations: { c: '0x10' },
        priorityClassName: '789',
        secrets: { existingSecret: '1e3', asEnv: true },
        persistence: { existingClaim: '12' },
        image: { repository: '007', tag: '1e3' },
      },
    });
    const { metadata, spec } = rendered.one('Deployment');
    expect(metadata.namespace).toBe('456');
    expect(metadata.labels).toMatchObject({ a: '1e3', 'app.kubernetes.io/instance': '123' });
    expect(spec.selector.matchLabels['app.kubernetes.io/instance']).toBe('123');
    expect(spec.template.metadata.labels['b']).toBe('true');
    expect(spec.template.metadata.annotations['c']).toBe('0x10');
    expect(spec.template.spec.priorityClassName).toBe('789');
    expect(rendered.container.image).toBe('007:1e3');
    expect(rendered.volume('secrets').secret.secretName).toBe('1e3');
    expect(rendered.volume('state').persistentVolumeClaim.claimName).toBe('12');
  });

  test('a missing value is refused in the words of the chart, whichever it is', async () => {
    const roots = [...new Set(leaves.map((path) => path.split('.')[0] ?? ''))];
    for (const missing of [leaves, roots]) {
      const args = ['--set', missing.map((path) => `${path}=null`).join(',')];
      const [, missed = ''] =
        /^values are missing: (.*)\. Do not .*--reset-then-reuse-values/.exec(
          await refusal(helm, { args }),
        ) ?? [];
      expect(missed.split(', ').sort()).toEqual([...leaves].sort());
    }
  });
});

/** The maps that a value lies in, outermost first. */
function parents(path: string): string[] {
  const keys = path.split('.');
  return keys.slice(1).map((_, index) => keys.slice(0, index + 1).join('.'));
}

test('the schema knows every value, and closes every object that is the chart’s own', () => {
  const seen: string[] = [];
  const visit = (node: Record<string, unknown>, path: string) => {
    const reference = node['$ref'] as string | undefined;
    const resolved = reference ? schema.definitions[reference.split('/').at(-1) ?? ''] : node;
    if (leaves.includes(path)) return seen.push(path);
    expect({ path, closed: resolved.additionalProperties }).toEqual({ path, closed: false });
    for (const [key, child] of Object.entries(resolved.properties ?? {})) {
      visit(child as Record<string, unknown>, path === '' ? key : `${path}.${key}`);
    }
    return seen.length;
  };
  visit(schema, '');
  expect(seen.sort()).toEqual([...leaves].sort());
});

test('the schema is draft-07 and refers to nothing outside itself', () => {
  expect(schema.$schema).toBe('http://json-schema.org/draft-07/schema#');
  const references = [...JSON.stringify(schema).matchAll(/"\$ref":"([^"]*)"/g)].map((match) => match[1]);
  expect(references.length).toBeGreaterThan(5);
  for (const reference of references) expect(reference).toMatch(/^#\/definitions\//);
});

test('the schema says nothing about secrets that an error could repeat', () => {
  const inline = schema.properties.secrets.properties.inline.properties;
  for (const key of Object.values(inline)) expect(key).toEqual({ type: 'string' });
});

test('every value is used, and nothing is used that is no value', () => {
  const used = new Set<string>();
  for (const file of readdirSync(join(CHART, 'templates'), { recursive: true, encoding: 'utf8' })) {
    // Validation reads everything, which is no use.
    if (!/\.(yaml|tpl)$/.test(file) || file === '_validate.tpl') continue;
    const text = readFileSync(join(CHART, 'templates', file), 'utf8');
    for (const match of text.matchAll(/\.Values\.([A-Za-z_.]+)/g)) used.add(match[1] ?? '');
    for (const match of text.matchAll(/pick \.Values\.docker ((?:"\w+" ?)+)/g)) {
      for (const key of (match[1] ?? '').matchAll(/\w+/g)) used.add(`docker.${key[0]}`);
    }
  }
  // Blocks that are handed on as a whole.
  const whole = ['secrets.inline', 'probes.startup', 'probes.readiness', 'probes.liveness'];
  const covered = (path: string) =>
    used.has(path) || whole.some((block) => used.has(block) && path.startsWith(`${block}.`));
  // For parent charts.
  expect(leaves.filter((path) => !covered(path))).toEqual(['global']);
  const known = new Set([...leaves, ...whole, 'docker']);
  expect([...used].filter((path) => !known.has(path))).toEqual([]);
});

test('validation knows exactly the values that there are', () => {
  const source = readFileSync(join(CHART, 'templates', '_validate.tpl'), 'utf8');
  const [, paths = ''] = /define "factory-worker\.paths" -\}\}\s*([\s\S]*?)\s*\{\{- end/.exec(source) ?? [];
  expect(paths.split(/\s+/).sort()).toEqual([...leaves].sort());
});

test('all rules between values are in one helper that is called once', () => {
  const templates = readdirSync(join(CHART, 'templates'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(yaml|tpl|txt)$/.test(file))
    .map((file) => ({ file, text: readFileSync(join(CHART, 'templates', file), 'utf8') }));
  const calling = templates.filter(({ text }) => text.includes('include "factory-worker.validate" '));
  expect(calling.map(({ file }) => file)).toEqual([join('validate', 'values.yaml')]);
  const failing = templates.filter(({ text }) =>
    /\b(fail|required) /.test(text.replace(/\{\{-? ?\/\*[\s\S]*?\*\//g, '')),
  );
  expect(failing.map(({ file }) => file)).toEqual(['_validate.tpl']);
});
