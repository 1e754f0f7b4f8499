/** Namespaces whose rules refuse a worker's pod: a quota, a limit range, the Pod Security level `restricted`. */
import { describe, expect, it } from 'vitest';
import { apply, kubectl, until } from './cluster.ts';
import { install, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace } from './site.ts';
import { readyPod } from './worker.ts';

const metadata = (namespace: string) => ({ name: 'rules', namespace });

describe.each<[string, string, (namespace: string) => object, RegExp]>([
  [
    'a quota',
    'fwc-quota',
    (namespace) => ({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: metadata(namespace),
      spec: { hard: { 'limits.memory': '512Mi' } },
    }),
    /exceeded quota: rules, requested: limits\.memory=1Gi/,
  ],
  [
    'a limit range',
    'fwc-limits',
    (namespace) => ({
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: metadata(namespace),
      spec: { limits: [{ type: 'Container', max: { memory: '512Mi' } }] },
    }),
    /maximum memory usage per Container is 512Mi, but limit is 1Gi/,
  ],
  [
    'Pod Security, restricted',
    'fwc-restricted',
    (name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    }),
    /violates PodSecurity "restricted:latest"/,
  ],
])('%s that refuses the pod', (what, namespace, rule, words) => {
  useNamespace(namespace);

  it('status says so in its words, and the worker starts once it may', async () => {
    await apply(rule(namespace));
    const worker = workerIn(namespace, 'worker-1');
    await install(worker, {}, { wait: false });
    const operator = Operator.of([worker]);
    const seen = await until('status says so', 60, async () => {
      const answer = await operator.status(worker);
      return words.test(answer.stdout + answer.stderr) && answer;
    });
    saw(`${what}: status`, seen);
    expect((await operator.row(worker)).status).toBe('pending');
    if (namespace === 'fwc-restricted') {
      await kubectl(
        'label',
        'namespace',
        namespace,
        'pod-security.kubernetes.io/enforce=baseline',
        '--overwrite',
      );
    } else
      await kubectl('-n', namespace, 'delete', 'resourcequota,limitrange', 'rules', '--ignore-not-found');
    // Its controller tries again, after longer and longer pauses.
    await kubectl('-n', namespace, 'rollout', 'restart', `deployment/${worker.pod}`);
    await readyPod(worker);
  });
});
