/** What `--dry-run` prints is what is run: both come from one argv. */
import { expect, it } from 'vitest';
import { shellLine } from '../../scripts/lib/cli/text.ts';
import { findHelm } from '../../scripts/lib/helm/helm.ts';
import { createTools } from '../../scripts/lib/lifecycle/tools.ts';
import type { Action } from '../../scripts/lib/plan.ts';
import { type Change, changeAction } from '../../scripts/lib/release/job.ts';
import type { Target } from '../../scripts/lib/release/preflight.ts';
import { type Cluster, clusterOf } from '../../scripts/lib/transport/kubectl.ts';
import { fakeExec } from '../support/fake-exec.ts';
import { commandLine, WORKER } from '../support/samples.ts';

const IMAGE = `registry.example.com/worker@sha256:${'1'.repeat(64)}`;

/** A cluster in which all that is looked for is as it should be. */
async function place() {
  const lines: string[] = [];
  const exec = fakeExec((argv) => {
    if (argv.includes('version')) return { stdout: 'v4.1.4' };
    // The bound of a request is not printed.
    lines.push(shellLine(argv.filter((word) => !word.startsWith('--request-timeout'))));
    return { stdout: argv.includes('get') && argv.includes('Namespace') ? 'made ' : '' };
  });
  const context = { exec, env: {}, signal: new AbortController().signal, now: () => new Date(), commandLine };
  const cluster: Cluster = clusterOf(context, 1000);
  return { lines, cluster, context, helm: await findHelm(context) };
}

/** The first call is the change; what follows sees its effect. */
async function expectPrinted({ commands, run }: Action, lines: readonly string[]) {
  await run();
  expect(commands.map((line) => line.replace(/ <<<.*/, ''))).toEqual(lines.slice(0, 1));
}

it.each<[string, boolean, Change]>([
  ['a restart', true, { to: 'restart' }],
  ['an image, by the release', true, { to: 'image', image: IMAGE, id: 'id' }],
  ['an earlier revision', true, { to: 'revision', revision: 3 }],
  ['an image, without a release', false, { to: 'image', image: IMAGE, id: 'id' }],
])('of a release: %s', async (_, byHelm, change) => {
  const { lines, cluster, helm } = await place();
  const helmed = byHelm ? { helm, release: { name: 'worker-1', worker: WORKER } } : null;
  const workload = { kind: 'Deployment', name: WORKER.pod, container: 'worker' };
  const target = { worker: WORKER, workload, helmed } as unknown as Target;
  await expectPrinted(changeAction(target, change, { cluster }), lines);
});

it.each(['kubectl', 'helm', 'create', 'remove'] as const)('of a plan: %s', async (tool) => {
  const { lines, cluster, context, helm } = await place();
  const tools = createTools(helm, cluster, WORKER, context as never);
  const action = {
    kubectl: () => tools.runKubectl('label', 'namespace', 'factory', 'a=b'),
    helm: () => tools.runHelm(['uninstall', 'worker-1']),
    create: () => tools.create({ kind: 'Namespace', metadata: { name: 'made' } }),
    remove: () => tools.remove('secret', 'worker-1-secrets'),
  }[tool]();
  await expectPrinted(action, lines);
});
