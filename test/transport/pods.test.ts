import { describe, expect, it } from 'vitest';
import { choosePod, type PodObject, podFacts } from '../../scripts/lib/transport/pods.ts';
import { deleted, IMAGE, NOW, nodeSilent, pod, running, waiting } from './cluster.ts';

const chosen = (pods: readonly PodObject[], name = 'factory-worker-1') =>
  choosePod(pods, name)?.metadata.name ?? null;

const bare = (name: string) => pod({ metadata: { name, labels: {}, ownerReferences: [] } });

describe('the pod of a worker', () => {
  it.each<[string, PodObject[], string, string | null]>([
    ['of a Deployment', [pod()], 'factory-worker-1', 'factory-worker-1-7d9f8b6c5d-x2x4z'],
    [
      'of a StatefulSet',
      [
        pod({
          metadata: {
            name: 'factory-worker-1-0',
            labels: {},
            ownerReferences: [{ kind: 'StatefulSet', name: 'factory-worker-1' }],
          },
        }),
      ],
      'factory-worker-1',
      'factory-worker-1-0',
    ],
    ['that stands alone', [bare('factory-worker-1')], 'factory-worker-1', 'factory-worker-1'],
    [
      'given by its own full name',
      [pod()],
      'factory-worker-1-7d9f8b6c5d-x2x4z',
      'factory-worker-1-7d9f8b6c5d-x2x4z',
    ],
    ['is not that of worker-10', [pod({ of: 'factory-worker-10' })], 'factory-worker-1', null],
    [
      'is not that of a Deployment whose name goes on with a dash',
      [pod({ of: 'factory-worker-1-old' }), pod({ of: 'factory-worker-1-7d9f8b6c5d', hash: 'abc' })],
      'factory-worker-1',
      null,
    ],
    [
      'is not one that only bears its labels',
      [pod({ metadata: { name: 'debug', ownerReferences: [{ kind: 'Job', name: 'factory-worker-1' }] } })],
      'factory-worker-1',
      null,
    ],
    ['among none', [], 'factory-worker-1', null],
  ])('%s', (_, pods, name, expected) => {
    expect(chosen(pods, name)).toBe(expected);
  });

  const made = (creationTimestamp: string, name: string) => ({ creationTimestamp, name });
  const old = made('2026-03-01T08:00:00Z', 'old');
  const young = made('2026-03-02T11:59:00Z', 'young');

  it.each<[string, PodObject, PodObject, string]>([
    [
      'the new one while the old one ends',
      pod({ metadata: { ...old, ...deleted('2026-03-02T12:00:20Z') } }),
      pod({
        hash: 'f00',
        metadata: {
          ...young,
          labels: { 'pod-template-hash': 'f00' },
          ownerReferences: [{ kind: 'ReplicaSet', name: 'factory-worker-1-f00' }],
        },
        status: waiting('ContainerCreating'),
      }),
      'young',
    ],
    [
      'the Ready one',
      pod({ metadata: old }),
      pod({ metadata: young, status: running('worker', 'False') }),
      'old',
    ],
    ['the newest of equals', pod({ metadata: old }), pod({ metadata: young }), 'young'],
    [
      'one that works, not one that was evicted later',
      pod({ metadata: old, status: running('worker', 'False') }),
      pod({ metadata: young, status: { phase: 'Failed', reason: 'Evicted' } }),
      'old',
    ],
    [
      'one that still ends, not the corpse of an evicted one',
      pod({ metadata: { ...young, ...deleted('2026-03-02T12:00:20Z') } }),
      pod({ metadata: old, status: { phase: 'Failed', reason: 'Evicted' } }),
      'young',
    ],
    [
      'the one on a lost node while its replacement waits, for that node’s volume perhaps',
      pod({ metadata: { ...old, ...deleted('2026-03-02T12:00:20Z') }, status: running('worker', 'Unknown') }),
      pod({ metadata: young, status: { phase: 'Pending' } }),
      'old',
    ],
    [
      'the replacement, once it runs',
      pod({ metadata: { ...old, ...deleted('2026-03-02T12:00:20Z') }, status: running('worker', 'Unknown') }),
      pod({ metadata: young, status: running('worker', 'False') }),
      'young',
    ],
  ])('of two is %s', (_, one, other, expected) => {
    expect(chosen([one, other])).toBe(expected);
    expect(chosen([other, one])).toBe(expected);
  });
});

describe('what Kubernetes says of a pod', () => {
  const facts = (given: PodObject, container?: string, now = NOW) => podFacts(given, container, now);

  it('running: where, since when, with which image', () => {
    expect(facts(pod())).toEqual({
      name: 'factory-worker-1-7d9f8b6c5d-x2x4z',
      container: 'worker',
      state: 'running',
      enterable: true,
      ready: true,
      reason: '',
      node: 'node-a',
      image: IMAGE,
      restarts: 0,
      startedAt: '2026-03-01T08:00:10Z',
    });
  });

  it('running but not Ready can be entered: it is the one somebody has to get into', () => {
    expect(facts(pod({ status: running('worker', 'False') }))).toMatchObject({
      state: 'running',
      ready: false,
      enterable: true,
    });
  });

  const unschedulable =
    '0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.';
  const backOff =
    'Back-off pulling image "registry.example.com/factory-worker:nope": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image: not found';
  const crash =
    'back-off 5m0s restarting failed container=worker pod=factory-worker-1-7d9f8b6c5d-x2x4z_factory(0a1b)';

  it.each<[string, PodObject, string, boolean, RegExp]>([
    [
      'no node has room',
      pod({
        node: null,
        status: {
          phase: 'Pending',
          conditions: [
            { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: unschedulable },
          ],
        },
      }),
      'pending',
      false,
      /Insufficient memory/,
    ],
    [
      'the volume is being attached',
      pod({ status: waiting('ContainerCreating') }),
      'starting',
      false,
      /ContainerCreating/,
    ],
    [
      'its network is not ready',
      pod({
        status: {
          ...waiting('ContainerCreating'),
          conditions: [
            { type: 'PodScheduled', status: 'True' },
            { type: 'PodReadyToStartContainers', status: 'False', message: 'cni plugin not initialized' },
          ],
        },
      }),
      'starting',
      false,
      /^ContainerCreating: cni plugin not initialized$/,
    ],
    [
      'a sidecar that starts before it, and does not',
      pod({
        status: {
          ...waiting('PodInitializing'),
          initContainerStatuses: [
            { name: 'wait', restartCount: 0, state: { terminated: { exitCode: 0 } } },
            {
              name: 'mesh',
              restartCount: 2,
              state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 20s restarting' } },
            },
          ],
        },
      }),
      'starting',
      false,
      /^PodInitializing: container mesh: CrashLoopBackOff: back-off 20s restarting$/,
    ],
    [
      'all its containers are being restarted',
      pod({
        status: {
          ...running(),
          conditions: [{ type: 'AllContainersRestarting', status: 'True' }],
          containerStatuses: [{ name: 'worker', restartCount: 0, state: { terminated: { exitCode: 42 } } }],
        },
      }),
      'starting',
      false,
      /^all containers of the pod are being restarted$/,
    ],
    [
      'it ended for good, beside a sidecar that runs',
      pod({
        restartPolicy: 'Never',
        containers: [{ name: 'worker' }, { name: 'proxy' }],
        status: {
          ...running('proxy'),
          containerStatuses: [
            {
              name: 'worker',
              restartCount: 0,
              state: { terminated: { reason: 'Error', exitCode: 3 } },
            },
            { name: 'proxy', restartCount: 0, state: { running: {} } },
          ],
        },
      }),
      'stopped',
      false,
      /^container worker ended with exit code 3 \(Error\) and is not restarted \(restartPolicy Never\)$/,
    ],
    [
      'the kubelet has not seen it yet',
      pod({ status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True' }] } }),
      'starting',
      false,
      /being created/,
    ],
    [
      'a Secret is missing',
      pod({ status: waiting('CreateContainerConfigError', 'secret "factory-worker-1-secrets" not found') }),
      'starting',
      false,
      /secret "factory-worker-1-secrets" not found/,
    ],
    [
      'no such image',
      pod({ status: waiting('ImagePullBackOff', backOff) }),
      'image-pull',
      false,
      /not found/,
    ],
    [
      'the first try to pull',
      pod({ status: waiting('ErrImagePull', 'denied') }),
      'image-pull',
      false,
      /denied/,
    ],
    [
      'a misspelt image',
      pod({ status: waiting('InvalidImageName', 'couldn’t parse') }),
      'image-pull',
      false,
      /parse/,
    ],
    [
      'it crashes again and again',
      pod({ status: waiting('CrashLoopBackOff', crash, 7) }),
      'crash-looping',
      false,
      /back-off 5m0s/,
    ],
    [
      'between two crashes',
      pod({
        status: {
          phase: 'Running',
          containerStatuses: [
            {
              name: 'worker',
              restartCount: 2,
              state: { terminated: { reason: 'OOMKilled', exitCode: 137 } },
            },
          ],
        },
      }),
      'starting',
      false,
      /OOMKilled/,
    ],
    [
      'it is being deleted and still works',
      pod({ metadata: deleted('2026-03-02T12:20:00Z') }),
      'draining',
      true,
      /stopping, until 2026-03-02T12:20:00Z/,
    ],
    [
      'a minute too late is slow',
      pod({ metadata: deleted('2026-03-02T11:59:01Z') }),
      'draining',
      true,
      /stopping/,
    ],
    [
      'later than that, its node is gone',
      pod({ metadata: deleted('2026-03-02T11:58:00Z') }),
      'node-lost',
      false,
      /120s ago/,
    ],
    [
      'its node does not answer',
      pod({ status: running('worker', 'Unknown') }),
      'node-lost',
      false,
      /node does not answer/,
    ],
    [
      'the node controller has marked it, since its node does not answer',
      pod({ status: nodeSilent() }),
      'node-lost',
      false,
      /node does not answer/,
    ],
    [
      'marked so and deleted for that, five minutes later',
      pod({ metadata: deleted('2026-03-02T12:25:00Z'), status: nodeSilent() }),
      'node-lost',
      false,
      /node does not answer/,
    ],
    [
      'its node was taken out of the cluster',
      pod({
        status: {
          phase: 'Failed',
          conditions: [
            {
              type: 'DisruptionTarget',
              status: 'True',
              reason: 'DeletionByPodGC',
              message: 'PodGC: node no longer exists',
            },
          ],
        },
      }),
      'stopped',
      false,
      /node no longer exists/,
    ],
    [
      'its node does not answer, and it is evicted with a long grace',
      pod({ metadata: deleted('2026-03-02T12:25:00Z'), status: running('worker', 'Unknown') }),
      'node-lost',
      false,
      /node does not answer/,
    ],
    [
      'evicted',
      pod({
        status: {
          phase: 'Failed',
          reason: 'Evicted',
          message: 'Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. ',
        },
      }),
      'stopped',
      false,
      /^Evicted: Pod ephemeral local storage usage/,
    ],
    [
      'its emptyDir grew over its limit, which ends it as Succeeded',
      pod({
        status: {
          phase: 'Succeeded',
          containerStatuses: [
            { name: 'worker', state: { terminated: { reason: 'Completed', exitCode: 0 } } },
          ],
        },
      }),
      'stopped',
      false,
      /Succeeded/,
    ],
  ])('%s', (_, given, state, enterable, reason) => {
    const found = facts(given);
    expect({ state: found.state, enterable: found.enterable }).toEqual({ state, enterable });
    expect(found.reason).toMatch(reason);
  });

  describe('the container', () => {
    const two = [
      { name: 'istio-proxy', image: 'proxy' },
      { name: 'worker', image: IMAGE },
    ];
    const annotated = (name: string) => ({
      annotations: { 'kubectl.kubernetes.io/default-container': name },
    });

    it('is called worker where nobody says otherwise: a webhook may put its own before it', () => {
      expect(facts(pod({ containers: two, status: running('worker') }))).toMatchObject({
        container: 'worker',
        enterable: true,
      });
    });

    it('is the one of workers.yaml, else the annotation’s, else the first', () => {
      const given = pod({ containers: two, status: running('worker') });
      const other = [{ name: 'first' }, { name: 'second' }];
      expect(facts(pod({ containers: other, status: running('first') })).container).toBe('first');
      const noted = { ...given, metadata: { ...given.metadata, ...annotated('worker') } };
      expect(facts(noted)).toMatchObject({ container: 'worker', image: IMAGE, enterable: true });
      expect(facts(noted, 'istio-proxy')).toMatchObject({ container: 'istio-proxy', image: 'proxy' });
    });

    it('decides: another one that runs is of no use', () => {
      expect(facts(pod({ containers: two, status: running('istio-proxy') }), 'worker').enterable).toBe(false);
    });
  });
});
