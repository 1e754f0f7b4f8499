import { describe, expect, it } from 'vitest';
import { parseWorkload, type WorkloadObject } from '../../scripts/lib/worker/workload.ts';

/** As the chart makes one, with another container put before its own. */
const deployment: WorkloadObject = {
  kind: 'Deployment',
  metadata: { name: 'factory-worker-1', annotations: { 'meta.helm.sh/release-name': 'worker-1' } },
  spec: {
    replicas: 0,
    template: {
      metadata: { annotations: { 'kubectl.kubernetes.io/default-container': 'worker' } },
      spec: {
        containers: [
          { name: 'sidecar', image: 's:1' },
          { name: 'worker', image: 'i:1', securityContext: { privileged: true } },
        ],
        imagePullSecrets: [{ name: 'registry' }],
        volumes: [
          { name: 'state', persistentVolumeClaim: { claimName: 'c' } },
          { name: 'secrets', secret: { secretName: 's' } },
        ],
      },
    },
  },
};

describe('the workload of a worker', () => {
  it('is read off its Deployment', () => {
    expect(parseWorkload(deployment)).toEqual({
      kind: 'Deployment',
      name: 'factory-worker-1',
      release: 'worker-1',
      container: 'worker',
      image: 'i:1',
      replicas: 0,
      privileged: true,
      secret: 's',
      taken: [],
      claim: 'c',
      pod: { imagePullSecrets: [{ name: 'registry' }], tolerations: [], nodeSelector: {} },
      failure: null,
    });
  });

  it('is judged by the container of workers.yaml, else by the pod’s default, else by the chart’s, else by the first', () => {
    const { spec } = deployment;
    const { metadata: _, ...unmarked } = spec.template;
    const [sidecar] = unmarked.spec.containers.map((container) => [container]);
    expect(parseWorkload(deployment, 'sidecar')).toMatchObject({ image: 's:1', privileged: false });
    expect(parseWorkload(deployment)).toMatchObject({ image: 'i:1' });
    const judged = (template: typeof spec.template) =>
      parseWorkload({ ...deployment, spec: { ...spec, template } });
    expect(judged(unmarked)).toMatchObject({ container: 'worker', image: 'i:1' });
    expect(judged({ spec: { containers: sidecar ?? [] } })).toMatchObject({
      container: 'sidecar',
      image: 's:1',
    });
    // Never another one than what the operator named: its image would be changed.
    expect(parseWorkload(deployment, 'missing')).toMatchObject({ container: 'missing', image: '' });
  });
});
