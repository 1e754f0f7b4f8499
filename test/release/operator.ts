/** Operators who release, the images they release, and what is recorded of it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReleaseRecord } from '../../scripts/lib/release/record.ts';
import { ROOT, SCRATCH, until } from '../e2e/cluster.ts';
import { REGISTRY, type Values, WORKING } from '../e2e/install.ts';
import { Operator, type Running } from '../e2e/operator.ts';
import type { TestWorker } from '../e2e/worker.ts';

export type ImageName = 'one' | 'two' | 'broken' | 'sick' | 'newer';

/** Brings the images of images.sh to the registry. @returns each by its digest */
export function releaseImages(): Readonly<Record<ImageName, string>> {
  const text = execFileSync(join(ROOT, 'test', 'release', 'images.sh'), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s)),
  ) as Record<ImageName, string>;
}

/** For a worker that works, with one of these images. */
export function digestValues(image: string): Values {
  const [repository, digest] = image.split('@');
  return { ...WORKING, image: { repository, tag: '', digest } };
}

/** An image that no registry has. */
export const NOWHERE = `${REGISTRY}/factory-worker@sha256:${'a'.repeat(64)}`;

const laptop = `release-${process.pid}`;
const recordsDir = join(SCRATCH, laptop, '.local', 'state', 'factory-worker', 'releases');

/** An operator whose releases are in the records below. @param helm the Helm to use, in the place of the tests' own */
export function releaser(workers: readonly TestWorker[], helm?: string): Operator {
  return Operator.of(workers, { laptop, ...(helm === undefined ? {} : { env: { HELM: helm } }) });
}

/** The records of this operator, oldest first. */
export function records(): ReleaseRecord[] {
  if (!existsSync(recordsDir)) return [];
  return readdirSync(recordsDir)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(recordsDir, name), 'utf8')) as ReleaseRecord);
}

export const lastRecord = (worker: string): ReleaseRecord | undefined =>
  records().findLast((record) => record.worker.name === worker);

/** Waits until a release that has begun is at a step, and then ends its process as a closed laptop does. */
export async function killAt(begun: Running, worker: string, step: string): Promise<void> {
  await until(`the release of ${worker} at ${step}`, 90, () => {
    if (begun.child.exitCode !== null) throw new Error(`it ended before: ${begun.output()}`);
    const record = lastRecord(worker);
    return record?.pid === begun.child.pid && record?.step === step;
  });
  begun.child.kill('SIGKILL');
  await begun.answer;
}
