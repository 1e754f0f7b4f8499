/** A pair of workers that releases are tried on, with the real images of test/release/images.sh and records of their own. */
import { beforeAll, expect } from 'vitest';
import { digestValues, type ImageName, releaseImages, releaser } from '../release/operator.ts';
import { install, workerIn } from './install.ts';
import type { Operator } from './operator.ts';
import { useNamespace } from './site.ts';
import { assertSound, getPod, inWorker, isDrained, readyPod, type TestWorker } from './worker.ts';

interface ReleaseSite {
  readonly namespace: string;
  /** Of the releases `one` and `two`; they run the image `one` at first. */
  readonly w1: TestWorker;
  readonly w2: TestWorker;
  readonly operator: Operator;
  /** Each by its digest; there once the tests run. */
  readonly images: Readonly<Record<ImageName, string>>;
}

/** Two workers for the tests of a file. */
export function useReleases(namespace: string): ReleaseSite {
  const w1 = workerIn(namespace, 'one');
  const w2 = workerIn(namespace, 'two');
  let images: ReleaseSite['images'];
  useNamespace(namespace);
  beforeAll(async () => {
    images = releaseImages();
    await Promise.all([w1, w2].map((worker) => install(worker, digestValues(images.one))));
  });
  return {
    namespace,
    w1,
    w2,
    operator: releaser([w1, w2]),
    get images() {
      return images;
    },
  };
}

/** `build-push-rollout rollout` of an image, as its words. */
export const rollout = (image: string, ...args: string[]) =>
  ['build-push-rollout', 'rollout', ...args, '--image', image, '--yes'] as const;

/** What Kubernetes itself says of the worker's pod. */
export async function podOf(worker: TestWorker): Promise<{ uid: string; image: string }> {
  const pod = await getPod(worker, await readyPod(worker));
  return { uid: pod.metadata.uid, image: pod.spec.containers[0]?.image ?? '' };
}

/** The good image that the worker does not run. */
export const otherImage = async ({ images }: ReleaseSite, worker: TestWorker) =>
  (await podOf(worker)).image === images.one ? images.two : images.one;

/** The worker has come to rest in a good state: this image, no drain, its queue and database whole. */
export async function assertServes(worker: TestWorker, image: string): Promise<void> {
  expect(await podOf(worker)).toMatchObject({ image });
  expect(await isDrained(worker)).toBe(false);
  await assertSound(worker);
}

/** An issue as factory itself tells of it; nothing before it was taken up. */
export async function pipelineOf(worker: TestWorker, issue: number): Promise<Pipeline | undefined> {
  const text = await inWorker(worker, 'cd /root/.factory/repos/demo && factory status --format json');
  return (JSON.parse(text) as Pipeline[] | null)?.find((row) => row.issue === issue);
}

interface Pipeline {
  readonly issue: number;
  readonly status: string;
  readonly stage: string;
  readonly stage_history?: readonly { readonly stage: string; readonly attempt: number }[];
}
