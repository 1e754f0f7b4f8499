import { clusterIsThere, kubectl } from './cluster.ts';

/** A missing cluster is one sentence, not a hundred failed tests; and it is a failure, never a skip. */
export async function setup(): Promise<void> {
  if (!clusterIsThere()) throw new Error('there is no test cluster: make cluster (as root), then make e2e');
  await kubectl('get', '--raw', '/readyz', '--request-timeout=10s').catch((error: Error) => {
    throw new Error(`the test cluster does not answer: make cluster-down cluster (${error.message})`);
  });
}
