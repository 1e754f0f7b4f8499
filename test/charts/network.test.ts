import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { BlockList } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { CHART, HELMS, newestHelm, render, run } from './helm.ts';
import { filesOf } from './package.ts';

interface Egress {
  readonly to: readonly {
    readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
  }[];
  readonly ports?: readonly { readonly port: number }[];
}

/** Whether a rule lets the worker out to an address, as Kubernetes reads it. */
function reaches(egress: readonly Egress[], address: string, family: 'ipv4' | 'ipv6', port: number): boolean {
  const within = (cidr: string) => {
    const [network = '', bits] = cidr.split('/');
    const list = new BlockList();
    if (network.includes(':') === (family === 'ipv6')) list.addSubnet(network, Number(bits), family);
    return list.check(address, family);
  };
  return egress
    .filter(({ ports }) => ports === undefined || ports.some((allowed) => allowed.port === port))
    .flatMap(({ to }) => to.flatMap(({ ipBlock }) => ipBlock ?? []))
    .some(({ cidr, except = [] }) => within(cidr) && !except.some(within));
}

describe.each(HELMS)('$name', (helm) => {
  test('the policy selects exactly the pod, lets nothing in and keeps it from every metadata service', async () => {
    const rendered = await render(helm);
    const { spec } = rendered.one('NetworkPolicy');
    expect(spec.podSelector).toEqual(rendered.one('Deployment').spec.selector);
    expect(spec.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(spec.ingress).toEqual([]);
    expect(spec.egress).toEqual([
      {
        to: [
          { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } },
          { ipBlock: { cidr: '169.254.0.0/16' } },
          { ipBlock: { cidr: '168.63.129.16/32' } },
        ],
        ports: [
          { protocol: 'UDP', port: 53 },
          { protocol: 'TCP', port: 53 },
        ],
      },
      {
        to: [
          { ipBlock: { cidr: '0.0.0.0/0', except: expect.any(Array) } },
          { ipBlock: { cidr: '::/0', except: expect.any(Array) } },
        ],
      },
    ]);
  });

  test.each([
    // As their own documentation or cloud-init's names them.
    ['Amazon EC2, Google, Azure, DigitalOcean, Hetzner, OpenStack …', 'ipv4', '169.254.169.254'],
    ['Amazon ECS', 'ipv4', '169.254.170.2'],
    ['Amazon EKS Pod Identity', 'ipv4', '169.254.170.23'],
    ['Scaleway', 'ipv4', '169.254.42.42'],
    ['Tencent', 'ipv4', '169.254.0.23'],
    ['Alibaba', 'ipv4', '100.100.100.200'],
    ['Azure WireServer', 'ipv4', '168.63.129.16'],
    ['Oracle Classic', 'ipv4', '192.0.0.192'],
    ['Amazon EC2', 'ipv6', 'fd00:ec2::254'],
    ['Amazon EKS Pod Identity', 'ipv6', 'fd00:ec2::23'],
    ['Google', 'ipv6', 'fd20:ce::254'],
    ['Oracle', 'ipv6', 'fd00:c1::a9fe:a9fe'],
    ['OpenStack, Akamai', 'ipv6', 'fe80::a9fe:a9fe'],
    ['Akamai', 'ipv6', 'fd00:a9fe:a9fe::1'],
    ['Scaleway', 'ipv6', 'fd00:42::42'],
    ['Alibaba', 'ipv6', 'fd00:100::100:200'],
  ] as const)('the metadata of %s is out of reach over %s', async (_, family, address) => {
    const egress = (await render(helm)).one('NetworkPolicy').spec.egress as Egress[];
    expect(reaches(egress, address, family, 80)).toBe(false);
  });

  test.each([
    ['NodeLocal DNSCache', 'ipv4', '169.254.20.10', 53],
    ['Cloud DNS for GKE', 'ipv4', '169.254.169.254', 53],
    ['Azure DNS', 'ipv4', '168.63.129.16', 53],
    ["Amazon's DNS over IPv6", 'ipv6', 'fd00:ec2::253', 53],
    ['a pod', 'ipv4', '10.244.0.5', 8080],
    ['the internet', 'ipv4', '203.0.113.7', 443],
    ['the internet', 'ipv6', '2001:db8::7', 443],
  ] as const)('%s is within reach over %s', async (_, family, address, port) => {
    const egress = (await render(helm)).one('NetworkPolicy').spec.egress as Egress[];
    expect(reaches(egress, address, family, port)).toBe(true);
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
  expect(readme).toMatch(/not use\s+`--create-namespace`/);
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
