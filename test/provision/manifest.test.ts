import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readManifest } from '../../scripts/lib/provision/manifest.ts';

it('names each pull Secret once: every one of them is asked for', () => {
  const deployment = {
    kind: 'Deployment',
    metadata: { name: 'factory-w' },
    spec: {
      replicas: 1,
      template: {
        spec: {
          containers: [{ name: 'worker', image: 'i' }],
          imagePullSecrets: [{ name: 'a' }, { name: 'b' }, { name: 'a' }],
        },
      },
    },
  };
  expect(readManifest(stringify(deployment)).pullSecrets).toEqual(['a', 'b']);
});
