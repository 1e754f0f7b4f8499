/** The first walk, with a worker in a pod. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CONTEXT, KUBECONFIG, KUBECTL, kubectl, ROOT, SCRATCH } from './cluster.ts';
import { HELM, IMAGE } from './install.ts';
import { saw } from './seen.ts';

const run = promisify(execFile);
let checkout: string;

// A checkout of its own: the walk keeps its things in the checkout, and somebody may be at one in this one.
beforeAll(() => {
  mkdirSync(SCRATCH, { recursive: true });
  checkout = mkdtempSync(join(SCRATCH, 'checkout-'));
  for (const part of ['examples', 'scripts', 'charts', 'package.json', 'tsconfig.json'])
    cpSync(join(ROOT, part), join(checkout, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
});
afterAll(() => rmSync(checkout, { recursive: true, force: true }));

const quickstart = (...args: string[]) =>
  run(join(checkout, 'examples', 'quickstart.sh'), args, {
    env: { ...process.env, HOME: SCRATCH, KUBECONFIG, KUBECTL, HELM, CONTEXT, IMAGE, RUNTIME: 'kubernetes' },
    maxBuffer: 64 * 1024 * 1024,
  });

it('RUNTIME=kubernetes: walks to its end, and down leaves nothing', async () => {
  const { stdout, stderr } = await quickstart();
  saw('the quickstart with RUNTIME=kubernetes', stdout + stderr);
  expect(stdout).toMatch(/try +factory-try +running/);
  expect(stdout).toContain('demo#1 queued');
  expect(stdout).toMatch(/npx tsx scripts\/peek\.ts try --session review/);
  await quickstart('down');
  expect(existsSync(join(checkout, '.quickstart'))).toBe(false);
  expect(await kubectl('get', 'namespaces', '--output=name')).not.toContain('factory-quickstart');
});
