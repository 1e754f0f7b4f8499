import { clusterIsThere, FOREIGN, kubectl } from './cluster.ts';

/** A missing cluster is one sentence, not a hundred failed tests; and it is a failure, never a skip. */
export async function setup(): Promise<void> {
  if (!clusterIsThere()) throw new Error('there is no test cluster: make cluster (as root), then make e2e');
  await kubectl('get', '--raw', '/readyz', '--request-timeout=10s').catch((error: Error) => {
    const cure = FOREIGN
      ? `look: kubectl --context ${FOREIGN.context} get nodes`
      : 'make cluster-down cluster';
    throw new Error(`the cluster does not answer: ${cure} (${error.message})`);
  });
  if (FOREIGN === null) return;
  const { context, namespace } = FOREIGN;
  await kubectl('get', 'namespace', namespace).catch((error: Error) => {
    const cure = `kubectl --context ${context} create namespace ${namespace}`;
    throw new Error(`the namespace ${namespace} must be there before: ${cure} (${error.message})`);
  });
}
