import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { install, useDryRuns } from './dry-run.ts';
import { CHART, HELMS, KUBERNETES, ROOT, render, TESTS } from './helm.ts';

useDryRuns();

/*
 * What each set of values renders to, word for word: a change of the chart shows in review as a change of objects.
 * `npx vitest run test/charts --update` writes them anew.
 */
const CASES = readdirSync(join(CHART, 'ci')).map((file) => basename(file, '-values.yaml'));
const EXAMPLES = readdirSync(join(ROOT, 'examples', 'values')).map((file) =>
  join(ROOT, 'examples', 'values', file),
);

/** Not even invented secrets belong into a file that is read in reviews. */
function withoutSecrets(text: string): string {
  const documents = text.split(/^---$/m);
  return documents
    .map((document) =>
      /^kind: Secret$/m.test(document) ? document.replace(/^( {2}[A-Z_]+: ).*$/gm, '$1(redacted)') : document,
    )
    .join('---');
}

describe.each(HELMS)('$name', (helm) => {
  test.each(CASES)('%s renders to its golden, on the oldest and the newest Kubernetes', async (name) => {
    const golden = join(TESTS, 'testdata', `${name}.golden`);
    expect(existsSync(golden)).toBe(true);
    const files = [join(CHART, 'ci', `${name}-values.yaml`)];
    const { text } = await render(helm, { files, kubernetes: KUBERNETES.newest });
    await expect(withoutSecrets(text)).toMatchFileSnapshot(golden);
    expect((await render(helm, { files, kubernetes: KUBERNETES.oldest })).text).toBe(text);
  });

  test.each(CASES)('%s prints its golden notes', async (name) => {
    const golden = join(TESTS, 'testdata', `${name}.notes.golden`);
    expect(existsSync(golden)).toBe(true);
    const { info } = await install(helm, { files: [join(CHART, 'ci', `${name}-values.yaml`)] });
    await expect(info.notes).toMatchFileSnapshot(golden);
  });

  test.each(EXAMPLES)('%s renders', async (file) => {
    const rendered = await render(helm, { files: [file] });
    const { docker } = parse(readFileSync(file, 'utf8')) as { docker?: { enabled?: boolean } };
    expect(rendered.container.securityContext.privileged).toBe(docker?.enabled ?? true);
  });
});

test('the example for DigitalOcean keeps the volume, gives Docker its own, and reserves what it limits', async () => {
  const [helm] = HELMS;
  if (helm === undefined) throw new Error('no helm');
  const rendered = await render(helm, { files: [join(ROOT, 'examples', 'values', 'digitalocean.yaml')] });
  expect(rendered.one('PersistentVolumeClaim').spec.storageClassName).toBe('do-block-storage-retain');
  expect(rendered.volume('docker').ephemeral.volumeClaimTemplate.spec.storageClassName).toBe(
    'do-block-storage',
  );
  expect(rendered.pod.spec.imagePullSecrets).toEqual([{ name: 'registry-NAME' }]);
  expect(rendered.container.resources.requests.memory).toBe(rendered.container.resources.limits.memory);
  expect(rendered.pod.spec.tolerations).toHaveLength(1);
  expect(rendered.pod.spec.nodeSelector).toEqual({ 'factory.dev/pool': 'workers' });
});
