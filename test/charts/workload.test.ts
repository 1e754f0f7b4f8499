import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CHART, HELMS, type KubernetesObject, refusal, render } from './helm.ts';

const FULL = join(CHART, 'ci', 'full-values.yaml');

describe.each(HELMS)('$name', (helm) => {
  test('one replica or none, and never a rolling update', async () => {
    for (const replicas of [0, 1]) {
      const { spec } = (await render(helm, { values: { replicas } })).one('Deployment');
      expect(spec.replicas).toBe(replicas);
      expect(spec.strategy).toEqual({ type: 'Recreate' });
    }
    expect(await refusal(helm, { values: { replicas: 2 } })).toMatch(/0, 1/);
    expect(await refusal(helm, { values: { strategy: { type: 'RollingUpdate' } } })).toContain('strategy');
  });

  test('a rollout may take the grace period of the old pod', async () => {
    const { spec } = (await render(helm, { files: [FULL] })).one('Deployment');
    expect(spec.template.spec.terminationGracePeriodSeconds).toBe(4000);
    expect(spec.progressDeadlineSeconds).toBeGreaterThan(4000);
  });

  test('the account has no token and no right', async () => {
    const rendered = await render(helm, { files: [FULL] });
    expect(rendered.one('ServiceAccount').automountServiceAccountToken).toBe(false);
    expect(rendered.pod.spec).toMatchObject({
      serviceAccountName: 'factory-worker-1',
      automountServiceAccountToken: false,
    });
    expect(rendered.own.filter((object) => /^(Cluster)?Role/.test(object.kind))).toEqual([]);
  });

  test('nothing of the node is shared, and no Service leaks into the environment', async () => {
    for (const files of [[], [FULL], [join(CHART, 'ci', 'no-docker-values.yaml')]]) {
      const { pod } = await render(helm, { files });
      expect(pod.spec.enableServiceLinks).toBe(false);
      for (const key of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace', 'initContainers']) {
        expect(pod.spec).not.toHaveProperty(key);
      }
      for (const volume of pod.spec.volumes) expect(volume).not.toHaveProperty('hostPath');
    }
  });

  test('one container called worker, privileged only while Docker is enabled', async () => {
    const { pod, container } = await render(helm);
    expect(pod.spec.containers).toHaveLength(1);
    expect(container.name).toBe('worker');
    expect(pod.metadata.annotations['kubectl.kubernetes.io/default-container']).toBe('worker');
    expect(container.securityContext).toEqual({ privileged: true });

    const without = await render(helm, { values: { docker: { enabled: false } } });
    expect(without.container.securityContext).toEqual({
      privileged: false,
      allowPrivilegeEscalation: false,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(without.volume('docker')).toBeUndefined();
    expect(JSON.stringify(without.container.volumeMounts)).not.toContain('/var/lib/docker');
    expect(without.config('settings.json').docker.enabled).toBe(false);
  });

  test('the image runs as it is built, and opens no port', async () => {
    for (const files of [[], [FULL]]) {
      const { container } = await render(helm, { files });
      for (const key of ['command', 'args', 'ports', 'lifecycle', 'envFrom']) {
        expect(container).not.toHaveProperty(key);
      }
    }
    const { text } = await render(helm, { files: [FULL] });
    expect(text).not.toMatch(/2375|2376|docker\.sock|hostPath/);
  });

  test('the image is appVersion, a tag, or a digest, which wins', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const image = async (values: object) =>
      (await render(helm, { values: { image: values } })).container.image;
    expect(await image({})).toBe('factory-worker:0.1.0');
    expect(await image({ repository: 'r.example.com:5000/w', tag: 'abc' })).toBe('r.example.com:5000/w:abc');
    expect(await image({ repository: 'r.example.com:5000/w', tag: 'abc', digest })).toBe(
      `r.example.com:5000/w@${digest}`,
    );
  });

  test('the environment is that of the contract', async () => {
    const { container } = await render(helm);
    const value = (name: string) => container.env.find((entry: KubernetesObject) => entry.name === name);
    const field = (fieldPath: string) => ({ fieldRef: { fieldPath } });
    expect(
      Object.fromEntries(container.env.map((entry: KubernetesObject) => [entry.name, entry.value])),
    ).toMatchObject({
      WORKER_CONFIG_DIR: '/etc/factory-worker/config',
      WORKER_SECRETS_DIR: '/run/secrets/factory-worker',
      WORKER_RUN_DIR: '/run/factory-worker',
      WORKER_STATE_DIR: '/root/.factory/worker',
      WORKER_REPOS_DIR: '/root/.factory/repos',
      WORKER_NAME: 'worker-1',
      WORKER_IMAGE: 'factory-worker:0.1.0',
      WORKER_SECRET_NAME: 'factory-worker-1-secrets',
    });
    expect(value('WORKER_NAMESPACE').valueFrom).toEqual(field('metadata.namespace'));
    expect(value('WORKER_POD_NAME').valueFrom).toEqual(field('metadata.name'));
    expect(value('WORKER_POD_UID').valueFrom).toEqual(field('metadata.uid'));
    expect(value('WORKER_NODE_NAME').valueFrom).toEqual(field('spec.nodeName'));
    expect(value('WORKER_MEMORY_LIMIT_BYTES').valueFrom).toEqual({
      resourceFieldRef: { containerName: 'worker', resource: 'limits.memory', divisor: '1' },
    });
    expect(container.env).toHaveLength(13);
  });

  test('names of the environment are unique, and the chart’s own cannot be replaced', async () => {
    const names = (await render(helm, { files: [FULL] })).container.env.map(
      (entry: KubernetesObject) => entry.name,
    );
    expect(names).toEqual(expect.arrayContaining(['WORKER_NAME', 'GH_TOKEN', 'HTTPS_PROXY']));
    expect(new Set(names).size).toBe(names.length);
    const own = names.filter((name: string) => name !== 'HTTPS_PROXY' && name !== 'NPM_TOKEN');
    const extraEnv = own.map((name: string) => ({ name, value: 'x' }));
    const sentences = (await refusal(helm, { values: { extraEnv } })).split('\n');
    expect(sentences.map((sentence) => sentence.split(':')[0])).toEqual(
      own.map((name: string, index: number) => `extraEnv[${index}] sets ${name}`),
    );
  });

  test('every folder of the contract is mounted', async () => {
    const rendered = await render(helm);
    const mounts = Object.fromEntries(
      rendered.container.volumeMounts.map((mount: KubernetesObject) => [mount.mountPath, mount]),
    );
    expect(Object.keys(mounts).sort()).toEqual([
      '/etc/factory-worker/config',
      '/root/.factory',
      '/run/factory-worker',
      '/run/secrets/factory-worker',
      '/var/lib/docker',
    ]);
    // Only a whole directory follows when its ConfigMap or Secret changes.
    expect(JSON.stringify(rendered.container.volumeMounts)).not.toContain('subPath');
    expect(mounts['/etc/factory-worker/config'].readOnly).toBe(true);
    expect(rendered.volume('run').emptyDir).toEqual({ medium: 'Memory', sizeLimit: '64Mi' });
  });

  test('Docker’s data has a volume of its own, of the kind that is wanted', async () => {
    const volume = async (storage: object) =>
      (await render(helm, { values: { docker: { storage } } })).volume('docker');
    expect(await volume({})).toEqual({ name: 'docker', emptyDir: {} });
    expect(await volume({ sizeLimit: '40Gi' })).toEqual({ name: 'docker', emptyDir: { sizeLimit: '40Gi' } });
    const template = (await volume({ kind: 'ephemeral', size: '50Gi', storageClass: 'fast' })).ephemeral;
    expect(template.volumeClaimTemplate.spec).toEqual({
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'fast',
      resources: { requests: { storage: '50Gi' } },
    });
    expect(await volume({ kind: 'claim' })).toEqual({
      name: 'docker',
      persistentVolumeClaim: { claimName: 'factory-worker-1-docker' },
    });
    expect(await volume({ kind: 'claim', existingClaim: 'mine' })).toEqual({
      name: 'docker',
      persistentVolumeClaim: { claimName: 'mine' },
    });
  });

  test('requests and limits are values, without a limit for ephemeral storage', async () => {
    expect((await render(helm)).container.resources).toEqual({
      requests: { cpu: '2', memory: '4Gi', 'ephemeral-storage': '10Gi' },
      limits: { cpu: '4', memory: '8Gi' },
    });
    const { resources } = (await render(helm, { files: [FULL] })).container;
    expect(resources).toMatchObject({ requests: { cpu: '500m' }, limits: { memory: '6Gi' } });
  });

  test('probes ask worker-health, each its own question, with time to answer', async () => {
    const { container } = await render(helm);
    expect(container.startupProbe).toEqual({
      exec: { command: ['worker-health', 'startup'] },
      periodSeconds: 2,
      timeoutSeconds: 10,
      failureThreshold: 900,
    });
    expect(container.readinessProbe.exec.command).toEqual(['worker-health', 'ready']);
    expect(container.readinessProbe.timeoutSeconds).toBeGreaterThanOrEqual(10);
    expect(container).not.toHaveProperty('livenessProbe');

    const probes = {
      startup: { enabled: false },
      readiness: { periodSeconds: 20, timeoutSeconds: 15, failureThreshold: 5 },
      liveness: { enabled: true },
    };
    const other = (await render(helm, { values: { probes } })).container;
    expect(other).not.toHaveProperty('startupProbe');
    expect(other.readinessProbe).toMatchObject(probes.readiness);
    expect(other.livenessProbe.exec.command).toEqual(['worker-health', 'live']);
    expect(other.livenessProbe.timeoutSeconds).toBeGreaterThanOrEqual(10);
  });

  test('the grace period exceeds the wait for a running stage', async () => {
    const grace = async (values: object) =>
      (await render(helm, { values })).pod.spec.terminationGracePeriodSeconds;
    expect(await grace({})).toBe(1500);
    expect(await grace({ shutdown: { waitForStage: 30 }, terminationGracePeriodSeconds: 90 })).toBe(90);
    expect(await refusal(helm, { values: { shutdown: { waitForStage: '1h' } } })).toContain(
      'set at least 3660',
    );
  });

  test('scheduling, volumes, labels and annotations are passed on', async () => {
    const { pod } = await render(helm, { files: [FULL] });
    expect(pod.spec).toMatchObject({
      nodeSelector: { 'example.com/pool': 'workers' },
      tolerations: [{ key: 'example.com/worker', operator: 'Exists', effect: 'NoSchedule' }],
      affinity: { podAntiAffinity: expect.any(Object) },
      priorityClassName: 'workers',
      runtimeClassName: 'sandboxed',
      imagePullSecrets: [{ name: 'registry-team' }, { name: 'registry-other' }],
    });
    expect(pod.spec.volumes).toContainEqual({ name: 'ca', configMap: { name: 'team-ca' } });
    expect(pod.spec.containers[0].volumeMounts).toContainEqual({
      name: 'ca',
      mountPath: '/usr/local/share/ca-certificates/team',
      readOnly: true,
    });
    expect(pod.metadata.labels['example.com/role']).toBe('worker');
    expect(pod.metadata.annotations).toMatchObject({
      'example.com/note': 'full',
      'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
    });
  });

  test('common labels are on every object, and not on the pod', async () => {
    const { objects, pod } = await render(helm, { files: [FULL] });
    for (const { metadata } of objects) expect(metadata.labels['example.com/cost-centre']).toBe('42');
    expect(pod.metadata.labels).not.toHaveProperty(['example.com/cost-centre']);
  });

  test('a disruption budget only for those who want one', async () => {
    expect((await render(helm)).all('PodDisruptionBudget')).toEqual([]);
    const rendered = await render(helm, { files: [FULL] });
    expect(rendered.one('PodDisruptionBudget').spec).toEqual({
      maxUnavailable: 0,
      selector: rendered.one('Deployment').spec.selector,
    });
  });

  test.each([
    ['projects', { projects: [{ name: 'new', repo: 'owner/new' }] }],
    ['claude', { claude: { askUserQuestion: true } }],
    ['orchestrator', { orchestrator: { enabled: false, interval: '5m' } }],
    ['shutdown', { shutdown: { waitForStage: '5m' } }],
    ['docker.storage.size', { docker: { storage: { size: '25Gi' } } }],
    ['secrets.inline', { secrets: { inline: { GH_TOKEN: 'rotated' } } }],
    ['networkPolicy', { networkPolicy: { enabled: false } }],
    ['podDisruptionBudget', { podDisruptionBudget: { enabled: true } }],
    ['commonLabels', { commonLabels: { a: 'b' } }],
    ['persistence', { persistence: { size: '40Gi', keep: false, annotations: { a: 'b' } } }],
    ['tests', { tests: { enabled: false } }],
  ])('a change of %s restarts nothing', async (_name, values) => {
    const before = await render(helm);
    const after = await render(helm, { values });
    expect(after.pod).toEqual(before.pod);
    expect(after.text).not.toBe(before.text);
  });

  test.each([
    ['docker.mtu', { docker: { mtu: 1400 } }],
    ['docker.addressPools', { docker: { addressPools: [{ base: '10.200.0.0/16', size: 24 }] } }],
    ['docker.registryMirrors', { docker: { registryMirrors: ['https://mirror.example.com'] } }],
    ['docker.memoryReserve', { docker: { memoryReserve: '2Gi' } }],
    ['image', { image: { tag: 'other' } }],
    ['secrets.asEnv', { secrets: { asEnv: true } }],
    ['secrets.existingSecret', { secrets: { existingSecret: 'mine' } }],
  ])('a change of %s restarts the pod', async (_name, values) => {
    expect((await render(helm, { values })).pod).not.toEqual((await render(helm)).pod);
  });

  test('without Docker no value of Docker restarts anything', async () => {
    const off = { enabled: false };
    const one = await render(helm, { values: { docker: off } });
    const two = await render(helm, { values: { docker: { ...off, mtu: 1400 } } });
    expect(two.pod).toEqual(one.pod);
  });
});
