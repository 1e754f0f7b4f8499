/** A worker that prints without end costs its own row. Real processes: a kubectl of three lines. */
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { list } from '../../scripts/list.ts';
import { makeFolder } from '../support/janitor.ts';
import { run } from '../support/run-command.ts';
import { pod, podList } from '../transport/cluster.ts';
import { WORKERS } from './answers.ts';

let folder: string;
beforeAll(async () => {
  folder = await makeFolder('flood');
  await writeFile(join(folder, 'workers.yaml'), WORKERS);
  const pods = podList(...['hostile', 'honest'].map((name) => pod({ of: `factory-${name}` })));
  await writeFile(join(folder, 'pods.json'), pods);
  await writeFile(
    join(folder, 'kubectl'),
    `#!/bin/bash
case "$*" in
  *'get pods'*) cat ${folder}/pods.json ;;
  *'exec factory-hostile'*) exec yes "$(printf 'flood%.0s' {1..2000})" ;;
  *) echo 'error: nothing is said of the other' >&2; exit 1 ;;
esac
`,
  );
  await chmod(join(folder, 'kubectl'), 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('is a row of its own, and says what it did', async () => {
  const { code, stdout, stderr } = await run(list, [], {
    env: {
      KUBECTL: join(folder, 'kubectl'),
      FACTORY_WORKERS: join(folder, 'workers.yaml'),
      XDG_CACHE_HOME: '/dev/null',
    },
  });
  expect(code).toBe(3);
  expect(stdout).toMatch(/^hostile +factory-hostile +unreachable/m);
  expect(stderr).toContain(
    'hostile answered with more than 8.0MiB to `look`; no valid answer is that long, and none of it was read\n',
  );
});
