/**
 * How long a worker is away during a release, against a bare `kubectl rollout restart` and `rollout status` of the same pod.
 * Both images are on the node and the worker is drained, in both cases, so that only the roll is compared: pairs, in turns.
 *
 *     npx tsx test/release/gap.ts [PAIRS]          with the test cluster of `make cluster`
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CONTEXT, KUBECONFIG, KUBECTL } from '../e2e/cluster.ts';
import { install, makeNamespace, removeNamespace, workerIn } from '../e2e/install.ts';
import type { Operator } from '../e2e/operator.ts';
import { readyPod } from '../e2e/worker.ts';
import { digestValues, lastRecord, releaseImages, releaser } from './operator.ts';

const NAMESPACE = `rel-gap-${process.pid}`;
const run = promisify(execFile);
const pairs = Number(process.argv[2] ?? 7);
const images = releaseImages();
const kubectl = (...args: string[]) =>
  run(KUBECTL, [`--kubeconfig=${KUBECONFIG}`, `--context=${CONTEXT}`, `--namespace=${NAMESPACE}`, ...args]);
const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

async function bareRestart(): Promise<number> {
  const started = performance.now();
  await kubectl('rollout', 'restart', 'deployment/factory-gap');
  await kubectl('rollout', 'status', 'deployment/factory-gap');
  return (performance.now() - started) / 1000;
}

async function release(operator: Operator, image: string): Promise<number> {
  const rollout = ['rollout', 'gap', '--image', image, '--yes'];
  const answer = await operator.type('build-push-rollout', ...rollout);
  const record = lastRecord('gap');
  if (answer.code !== 0 || record === undefined) throw new Error(answer.stderr);
  return (record.seconds.roll ?? Number.NaN) + (record.seconds.wait ?? Number.NaN);
}

await makeNamespace(NAMESPACE);
try {
  const worker = await install(workerIn(NAMESPACE, 'gap'), digestValues(images.one));
  const operator = releaser([worker]);
  await readyPod(worker);
  const [bare, ours]: [number[], number[]] = [[], []];
  for (let pair = 0; pair < pairs; pair++) {
    bare.push(await bareRestart());
    ours.push(await release(operator, pair % 2 === 0 ? images.two : images.one));
    process.stdout.write(
      `${pair + 1}: rollout restart ${bare.at(-1)?.toFixed(2)}s, release ${ours.at(-1)?.toFixed(2)}s\n`,
    );
  }
  const ratio = median(ours.map((seconds, index) => seconds / (bare[index] ?? 1)));
  process.stdout.write(
    `median: rollout restart ${median(bare).toFixed(2)}s, release ${median(ours).toFixed(2)}s; of the pairs ${ratio.toFixed(2)} (wanted: at most 1.30)\n`,
  );
} finally {
  await removeNamespace(NAMESPACE);
}
