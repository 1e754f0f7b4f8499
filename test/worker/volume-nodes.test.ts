import { describe, expect, it } from 'vitest';
import {
  type NodeObject,
  type NodeSelector,
  nodesFor,
  unmountable,
  type VolumeObject,
} from '../../scripts/lib/worker/volume-nodes.ts';

const node = (name: string, fields: Partial<NodeObject> = {}, zone = 'east'): NodeObject => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone } },
  ...fields,
});
const cordoned = { spec: { unschedulable: true } };
const silent = { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } };
const volume = (...nodeSelectorTerms: NodeSelector['nodeSelectorTerms']): VolumeObject => ({
  metadata: { name: 'pv-1' },
  spec: { nodeAffinity: { required: { nodeSelectorTerms } } },
});
const where = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, values }],
});
const onB = volume(where('kubernetes.io/hostname', 'In', 'b'));
const inWest = volume(where('topology.kubernetes.io/zone', 'In', 'west'));

describe('the nodes that can mount a volume', () => {
  const nodes = [node('a'), node('b', {}, 'west')];
  it.each<[string, VolumeObject, string]>([
    ['of the network', { metadata: { name: 'pv-1' } }, 'a b'],
    ['on a disk of one', onB, 'b'],
    ['in a zone', inWest, 'b'],
    ['outside of a zone', volume(where('topology.kubernetes.io/zone', 'NotIn', 'west')), 'a'],
    ['by a label that is there', volume(where('kubernetes.io/hostname', 'Exists')), 'a b'],
    ['by one that is not', volume(where('kubernetes.io/hostname', 'DoesNotExist')), ''],
    [
      'by both terms',
      volume(where('kubernetes.io/hostname', 'In', 'a'), where('kubernetes.io/hostname', 'In', 'b')),
      'a b',
    ],
    [
      'by the name of the node',
      volume({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] }),
      'a',
    ],
    // Kubernetes: a term without requirements selects nothing.
    ['by nothing', volume({}), ''],
    ['by an operator of later', volume(where('kubernetes.io/hostname', 'Like', 'a*')), 'a b'],
  ])('%s', (_, given, names) => {
    expect(
      nodesFor(given, nodes)
        .map(({ metadata }) => metadata.name)
        .join(' '),
    ).toBe(names);
  });
});

describe('why no pod with that volume can be scheduled', () => {
  it.each<[string, VolumeObject, readonly NodeObject[], string | null]>([
    ['its node takes pods', onB, [node('a', cordoned), node('b')], null],
    ['its node is cordoned', onB, [node('a'), node('b', cordoned)], 'can only be mounted on b (cordoned)'],
    ['its node is not ready', onB, [node('a'), node('b', silent)], 'can only be mounted on b (not ready)'],
    [
      'its node is gone',
      onB,
      [node('a')],
      'can only be mounted on a node with kubernetes.io/hostname b, and there is none',
    ],
    [
      'another node of its zone takes pods',
      inWest,
      [node('a', cordoned, 'west'), node('b', {}, 'west')],
      null,
    ],
    [
      'all nodes of its zone are cordoned',
      inWest,
      [node('a', cordoned, 'west'), node('b', cordoned, 'west')],
      'can only be mounted on a (cordoned), b (cordoned)',
    ],
    ['it is of the network', { metadata: { name: 'pv-1' } }, [node('a', cordoned)], null],
    ['the nodes are not known', onB, [], null],
  ])('%s', (_, given, nodes, why) => {
    expect(unmountable(given, nodes)).toBe(why);
  });
});
