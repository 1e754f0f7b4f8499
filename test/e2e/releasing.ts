/** Workers that releases are tried on, with the real images of test/release/images.sh and records of their own. */
import { beforeAll, expect } from 'vitest';
import { digestValues, type ImageName, releaseImages, releaser } from '../release/operator.ts';
import { HELM, install, workerIn } from './install.ts';
import type { Operator } from './operator.ts';
import { useNamespace } from './site.ts';
import { assertSound, getPod, isDrained, ownOf, readyPod, type TestWorker } from './worker.ts';

type Images = Readonly<Record<ImageName, string>>;

interface Released {
  readonly namespace: string;
  readonly operator: Operator;
  /** Each by its digest; there once the tests run. */
  readonly images: Images;
}

/** Two workers, the releases `one` and `two`, for the tests of a file; they run the image `one` at first. */
export function useReleases(
  namespace: string,
): Released & { readonly w1: TestWorker; readonly w2: TestWorker } {
  const w1 = workerIn(namespace, 'one');
  const w2 = workerIn(namespace, 'two');
  const images = useInstalled(namespace, [w1, w2], HELM);
  return {
    namespace,
    w1,
    w2,
    operator: releaser([w1, w2]),
    get images() {
      return images();
    },
  };
}

/** The same with one worker, the release `one`. @param program the Helm of the tests, and of the operator */
export function useRelease(namespace: string, program = HELM): Released & { readonly worker: TestWorker } {
  const worker = workerIn(namespace, 'one');
  const images = useInstalled(namespace, [worker], program);
  return {
    namespace,
    worker,
    operator: releaser([worker], program),
    get images() {
      return images();
    },
  };
}

function useInstalled(namespace: string, workers: readonly TestWorker[], program: string): () => Images {
  let images: Images;
  useNamespace(namespace);
  beforeAll(async () => {
    images = releaseImages();
    await Promise.all(workers.map((worker) => install(worker, digestValues(images.one), { program })));
  });
  return () => images;
}

/** `build-push-rollout rollout` of an image, as its words. */
export const rollout = (image: string, ...args: string[]) =>
  ['build-push-rollout', 'rollout', ...args, '--image', image, '--yes'] as const;

/** What Kubernetes itself says of the worker's pod. */
export async function podOf(worker: TestWorker): Promise<{ uid: string; image: string }> {
  const pod = await getPod(worker, await readyPod(worker));
  return { uid: pod.metadata.uid, image: ownOf(pod.spec.containers)?.image ?? '' };
}

/** The good image that the worker does not run. */
export const otherImage = async ({ images }: Released, worker: TestWorker) =>
  (await podOf(worker)).image === images.one ? images.two : images.one;

/** The worker has come to rest in a good state: this image, no drain, its queue and database whole. */
export async function assertServes(worker: TestWorker, image: string): Promise<void> {
  expect(await podOf(worker)).toMatchObject({ image });
  expect(await isDrained(worker)).toBe(false);
  await assertSound(worker);
}
