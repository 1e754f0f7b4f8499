/** Operators who release, the images they release, and what is recorded of it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReleaseRecord } from '../../scripts/lib/release/record.ts';
import { ROOT, SCRATCH, until } from '../e2e/cluster.ts';
import { REGISTRY, type Values, WORKING } from '../e2e/install.ts';
import { Operator, type Running } from '../e2e/operator.ts';
import type { TestWorker } from '../e2e/worker.ts';

export type ImageName = 'one' | 'two' | 'broken' | 'sick' | 'newer' | 'postgres';

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

/** Waits until a release that has begun is at a step. @param amid tells when it is in the middle of that step */
export async function reached(
  begun: Running,
  worker: string,
  step: string,
  amid: () => Promise<boolean> | boolean = () => true,
): Promise<void> {
  // A step may take no longer than one call of kubectl: nothing that looks four times a second sees each of them.
  for (const end = Date.now() + 90_000; ; await sleep(10)) {
    const record = lastRecord(worker);
    if (record?.pid === begun.child.pid && record?.step === step) break;
    if (begun.child.exitCode !== null || Date.now() > end)
      throw new Error(`the release of ${worker} was not seen at ${step}: ${begun.output()}`);
  }
  await until(`it is amid ${step}`, 30, amid);
}

/** The same, and then ends its process as a closed laptop does. */
export async function killAt(...at: Parameters<typeof reached>): Promise<void> {
  await reached(...at);
  const [begun] = at;
  begun.child.kill('SIGKILL');
  await begun.answer;
}
