import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { CHART, HELMS, newestHelm, render, run } from './helm.ts';
import { filesOf } from './package.ts';

describe.each(HELMS)('$name', (helm) => {
  test('the policy selects exactly the pod, lets nothing in and keeps it from the metadata service', async () => {
    const rendered = await render(helm);
    const { spec } = rendered.one('NetworkPolicy');
    expect(spec.podSelector).toEqual(rendered.one('Deployment').spec.selector);
    expect(spec.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(spec.ingress).toEqual([]);
    expect(spec.egress).toEqual([
      {
        to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }],
        ports: [
          { protocol: 'UDP', port: 53 },
          { protocol: 'TCP', port: 53 },
        ],
      },
      {
        to: [
          { ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] } },
          { ipBlock: { cidr: '::/0', except: ['fd00:ec2::254/128'] } },
        ],
      },
    ]);
  });

  test('rules can be added, the open one taken away, and the policy switched off', async () => {
    const rule = { to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] };
    const ingress = [{ from: [{ namespaceSelector: {} }] }];
    const networkPolicy = { ingress, allowAllEgress: false, extraEgress: [rule] };
    const { spec } = (await render(helm, { values: { networkPolicy } })).one('NetworkPolicy');
    expect(spec.ingress).toEqual(ingress);
    expect(spec.egress).toEqual([expect.objectContaining({ ports: expect.any(Array) }), rule]);

    const off = await render(helm, { values: { networkPolicy: { enabled: false } } });
    expect(off.all('NetworkPolicy')).toEqual([]);
  });

  test('helm test has an identity that exists for the test alone', async () => {
    const { hooks } = await render(helm);
    expect(hooks.map((hook) => hook.kind)).toEqual(['ServiceAccount', 'Role', 'RoleBinding', 'Pod']);
    for (const { kind, metadata } of hooks) {
      expect(metadata.name).toBe('factory-worker-1-test');
      expect(metadata.annotations['helm.sh/hook']).toBe('test');
      // A pod that is deleted when it succeeds has no log left for `helm test --logs`.
      expect(metadata.annotations['helm.sh/hook-delete-policy']).toBe(
        kind === 'Pod' ? 'before-hook-creation' : 'before-hook-creation,hook-succeeded',
      );
    }
    const weights = hooks.map((hook) => Number(hook.metadata.annotations['helm.sh/hook-weight']));
    expect(weights).toEqual([...weights].sort((one, other) => one - other));
    const [, role, binding] = hooks;
    expect(role.rules).toEqual([
      {
        apiGroups: ['apps'],
        resources: ['deployments'],
        resourceNames: ['factory-worker-1'],
        verbs: ['get'],
      },
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
    ]);
    expect(binding).toMatchObject({
      roleRef: { kind: 'Role', name: 'factory-worker-1-test' },
      subjects: [{ kind: 'ServiceAccount', name: 'factory-worker-1-test', namespace: 'factory' }],
    });
  });

  test('the test pod is restricted, and no policy and no command takes it for the worker', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const values = { image: { repository: 'r.example.com/w', digest }, imagePullSecrets: ['login'] };
    const rendered = await render(helm, { values });
    const pod = rendered.hooks.find((hook) => hook.kind === 'Pod');
    const selector = rendered.one('NetworkPolicy').spec.podSelector.matchLabels;
    expect(pod.metadata.labels).not.toMatchObject(selector);
    expect(pod.spec).toMatchObject({
      restartPolicy: 'Never',
      imagePullSecrets: [{ name: 'login' }],
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(pod.spec.containers).toHaveLength(1);
    expect(pod.spec.containers[0]).toMatchObject({
      image: `r.example.com/w@${digest}`,
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    });
    // Kubernetes expands $(NAME) in arguments.
    expect(pod.spec.containers[0].args[0]).not.toContain('$(');
    expect(pod.spec.containers[0].args[0]).toBe(readFileSync(join(CHART, 'files', 'ready.mjs'), 'utf8'));
  });

  test('the test can be switched off', async () => {
    expect((await render(helm, { values: { tests: { enabled: false } } })).hooks).toEqual([]);
  });
});

test('the namespace is a manifest beside the templates, labelled for a privileged pod', async () => {
  const namespace = parse(readFileSync(join(CHART, 'namespace.yaml'), 'utf8'));
  expect(namespace).toMatchObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'factory' } });
  expect(namespace.metadata.labels).toEqual({
    'pod-security.kubernetes.io/enforce': 'privileged',
    'pod-security.kubernetes.io/audit': 'privileged',
    'pod-security.kubernetes.io/warn': 'privileged',
  });
  expect(
    (await render(newestHelm(), { files: [join(CHART, 'ci', 'full-values.yaml')] })).all('Namespace'),
  ).toEqual([]);
  const readme = readFileSync(join(CHART, 'README.md'), 'utf8');
  expect(readme).toContain('kubectl apply --filename charts/factory-worker/namespace.yaml');
  expect(readme).toMatch(/Not\s+`--create-namespace`/);
});

test('a package holds the chart and nothing of its tests', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'package-'));
  try {
    expect((await run(newestHelm(), ['package', CHART, '--destination', folder])).code).toBe(0);
    const [name = ''] = readdirSync(folder);
    const files = [...filesOf(join(folder, name)).keys()].map((file) => file.replace('factory-worker/', ''));
    expect(files).toEqual(
      expect.arrayContaining([
        'README.md',
        'CHANGELOG.md',
        'namespace.yaml',
        'files/ready.mjs',
        'templates/NOTES.txt',
      ]),
    );
    expect(files.filter((file) => /^(ci|tests?)\/|golden/.test(file))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
