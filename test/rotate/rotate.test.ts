import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rotate } from '../../scripts/rotate.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';

const OLD = 'gho_the-old-one';
const NEW = 'gho_the-new-one';

const deployment = {
  metadata: { annotations: {} },
  spec: {
    template: {
      spec: { containers: [{ name: 'worker' }], volumes: [{ name: 'secrets', secret: { secretName: 's' } }] },
    },
  },
};
const encoded = (text: string) => Buffer.from(text).toString('base64');
const secret = (token: string, version: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 's', resourceVersion: version },
  data: { GH_TOKEN: encoded(token), CLAUDE_CODE_OAUTH_TOKEN: encoded('c'), GH_USER: encoded('bot') },
});

let worker: HandWorker;
let kubectl: FakeKubectl;
let folder: string;
beforeAll(async () => {
  worker = await handWorker();
  kubectl = fakeKubectl();
  folder = mkdtempSync('/tmp/rotate-test-');
  writeFileSync(join(folder, 'new'), `${NEW}\n`);
});
afterAll(async () => {
  kubectl.remove();
  rmSync(folder, { recursive: true });
  await worker.remove();
});

function type(rules: readonly Rule[], ...argv: string[]) {
  kubectl.setRules([
    ...rules,
    { match: ['get', 'deployment'], stdout: JSON.stringify(deployment) },
    { match: ['get', 'secret'], stdout: JSON.stringify(secret(OLD, '7')) },
    { match: ['annotate', 'pod'] },
    ...worker.cluster(),
  ]);
  return run(rotate, ['worker-1', ...argv], { env: { KUBECTL: kubectl.path, ...worker.laptop } });
}
const verbs = () =>
  kubectl
    .calls()
    .flatMap(({ argv }) => argv.filter((word) => ['replace', 'create', 'delete'].includes(word)));

describe('rotate', () => {
  it('--dry-run shows hashes and changes nothing; no token is in any argv or answer', async () => {
    const { code, stdout, stderr } = await type([], '--gh-token-file', join(folder, 'new'), '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}GH_TOKEN: [0-9a-f]{8} → [0-9a-f]{8} \(from .*\/new\)\n$/);
    expect(verbs()).toEqual([]);
    expect(`${stdout}${stderr}${JSON.stringify(kubectl.calls())}`).not.toMatch(/gho_/);
  });

  it('of two operators lets the first win: nothing is changed by the second', async () => {
    const conflict =
      'Error from server (Conflict): Operation cannot be fulfilled on secrets "s": the object has been modified';
    const { code, stderr } = await type(
      [{ match: ['replace'], stderr: `${conflict}\n`, code: 1 }],
      '--gh-token-file',
      join(folder, 'new'),
      '--yes',
    );
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('somebody else has just changed the Secret s; nothing was changed'),
    ]);
  });

  it('that does not see the new Secret in the worker in time says so, and how to look again', async () => {
    const { code, stderr } = await type(
      [{ match: ['replace'], stdout: JSON.stringify(secret(NEW, '8')) }],
      '--gh-token-file',
      join(folder, 'new'),
      '--yes',
      '--wait',
      '100ms',
    );
    expect(code).toBe(124);
    expect(stderr).toContain('look again: factory-worker rotate worker-1 --check');
    expect(`${stderr}${JSON.stringify(kubectl.calls().map(({ argv }) => argv))}`).not.toMatch(/gho_/);
  });

  it('asks nobody where nobody is, and leaves a local worker alone', async () => {
    expect(await type([])).toMatchObject({ code: 2, stderr: expect.stringContaining('--gh-token-file') });
    expect(await run(rotate, ['w'], { env: worker.laptop })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('factory-worker shell w'),
    });
  });
});
