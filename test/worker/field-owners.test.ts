/** Fields that someone has taken from Helm, by what `kubectl get --show-managed-fields` prints. */
import { describe, expect, it } from 'vitest';
import { takenFromHelm, takenText } from '../../scripts/lib/worker/field-owners.ts';

const HELM = { manager: 'helm', operation: 'Apply', fieldsV1: { 'f:spec': { 'f:strategy': {} } } };
const container = (fields: object, name = 'worker') => ({
  'f:spec': { 'f:template': { 'f:spec': { 'f:containers': { [`k:{"name":"${name}"}`]: fields } } } },
});

describe('fields taken from Helm', () => {
  it.each<[string, readonly object[], string]>([
    ['none', [HELM], ''],
    [
      'by kubectl scale',
      [
        HELM,
        {
          manager: 'kubectl',
          operation: 'Update',
          subresource: 'scale',
          fieldsV1: { 'f:spec': { 'f:replicas': {} } },
        },
      ],
      'replicas (set by kubectl)',
    ],
    [
      'by kubectl set image and by kubectl edit',
      [
        HELM,
        { manager: 'kubectl-set', operation: 'Update', fieldsV1: container({ 'f:image': {} }) },
        {
          manager: 'kubectl-edit',
          operation: 'Update',
          fieldsV1: container({ 'f:resources': { 'f:limits': { 'f:memory': {} } } }),
        },
      ],
      'image (set by kubectl-set), resources (set by kubectl-edit)',
    ],
    [
      'not by who puts another container beside it',
      [
        HELM,
        {
          manager: 'kubectl-patch',
          operation: 'Update',
          fieldsV1: container({ '.': {}, 'f:image': {}, 'f:name': {}, 'f:resources': {} }, 'mesh'),
        },
      ],
      '',
    ],
    [
      'not by kubectl rollout restart, nor by a controller',
      [
        HELM,
        {
          manager: 'kubectl-rollout',
          operation: 'Update',
          fieldsV1: {
            'f:spec': {
              'f:template': {
                'f:metadata': { 'f:annotations': { 'f:kubectl.kubernetes.io/restartedAt': {} } },
              },
            },
          },
        },
        {
          manager: 'kube-controller-manager',
          operation: 'Update',
          subresource: 'status',
          fieldsV1: { 'f:status': { 'f:replicas': {} } },
        },
      ],
      '',
    ],
    [
      'of a release that Helm 3 installed: it does not apply server-side',
      [
        { ...HELM, operation: 'Update' },
        { manager: 'kubectl', operation: 'Update', fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
      ],
      '',
    ],
    ['where they are not there', [], ''],
    ['where they are odd', [HELM, { manager: 'x', fieldsV1: 'text' }, { fieldsV1: null }], ''],
  ])('%s', (_, entries, text) => expect(takenText(takenFromHelm(entries, 'worker'))).toBe(text));
});
