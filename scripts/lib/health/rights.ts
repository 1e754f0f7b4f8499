/** Checks the operator's permissions in a namespace: SelfSubjectAccessReviews, all in one kubectl call. */

import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlMessage } from '../transport/kubectl-errors.ts';
import { readAnswer } from '../transport/read-answer.ts';
import { type Check, found } from './check.ts';

interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
}

interface Needs {
  readonly id: string;
  /** Completes "needed for …". */
  readonly purpose: string;
  /** Without it no command works; otherwise only some. */
  readonly always: boolean;
  readonly rights: readonly Right[];
}

const rights = (resource: string, ...verbs: string[]): Right[] => {
  const [name = '', group = ''] = resource.split(/\.(.*)/, 2);
  const [kind = '', subresource = ''] = name.split('/');
  return verbs.map((verb) => ({ verb, group, resource: kind, subresource }));
};

const CHANGE = ['get', 'list', 'create', 'patch', 'delete'] as const;

/** The most needed first. */
export const NEEDS: readonly Needs[] = [
  {
    id: 'rbac-look',
    purpose: 'list, status',
    always: true,
    rights: [...rights('pods', 'get', 'list'), ...rights('deployments.apps', 'get')],
  },
  // From Kubernetes 1.35 on a WebSocket exec, which is a GET, asks for `create` as well (kubernetes/kubernetes#134577).
  {
    id: 'rbac-exec',
    purpose: 'every command that enters a worker',
    always: true,
    rights: rights('pods/exec', 'get', 'create'),
  },
  {
    id: 'rbac-forward',
    purpose: 'port-forward',
    always: false,
    rights: rights('pods/portforward', 'get', 'create'),
  },
  {
    id: 'rbac-why',
    purpose: 'why',
    always: false,
    rights: [
      ...rights('events', 'list'),
      ...rights('persistentvolumeclaims', 'get'),
      ...rights('pods/log', 'get'),
    ],
  },
  {
    id: 'rbac-secret',
    purpose: 'rotate',
    always: false,
    rights: rights('secrets', 'get', 'create', 'patch'),
  },
  {
    id: 'rbac-release',
    purpose: 'provision, retire, start, stop and releases',
    always: false,
    rights: [
      ...rights('secrets', ...CHANGE, 'update'),
      ...rights('deployments.apps', ...CHANGE),
      ...rights('configmaps', ...CHANGE),
      ...rights('serviceaccounts', ...CHANGE),
      ...rights('persistentvolumeclaims', ...CHANGE),
      ...rights('networkpolicies.networking.k8s.io', ...CHANGE),
    ],
  },
  {
    id: 'rbac-resize',
    purpose: 'resize',
    always: false,
    rights: [
      ...rights('pods/resize', 'patch'),
      ...rights('deployments.apps', 'get', 'patch'),
      ...rights('replicasets.apps', 'get', 'patch'),
    ],
  },
];

interface Review {
  readonly spec: { readonly resourceAttributes: Partial<Right> };
  readonly status: { readonly allowed: boolean };
}

/** The resource as kubectl writes it: `pods/exec`. */
const nameOf = ({ resource, subresource, group }: Right): string =>
  `${resource}${subresource && `/${subresource}`}${group && `.${group}`}`;

const keyOf = ({ verb, group, resource, subresource }: Partial<Right>) =>
  [verb, group ?? '', resource, subresource ?? ''].join(' ');

/** The reviews to send. */
export function reviewList(namespace: string): string {
  const items = [
    ...new Map(NEEDS.flatMap((needs) => needs.rights).map((right) => [keyOf(right), right])).values(),
  ];
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: items.map((right) => ({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace, ...right } },
    })),
  });
}

/**
 * @param text output of `kubectl create --output=json`: one JSON document after the other
 * @returns a finding for each group of needs
 */
export function judgeRights(text: string, namespace: string): Check[] {
  const reviews = text
    .split(/\n(?=\{)/)
    .filter((document) => document.trim() !== '')
    .map((document) => readAnswer<Review>('review', namespace, document));
  const allowed = new Map(
    reviews.map(({ spec, status }) => [keyOf(spec.resourceAttributes), status.allowed] as const),
  );
  return NEEDS.map(({ id, purpose, always, rights: wanted }) => {
    const missing = wanted.filter((right) => allowed.get(keyOf(right)) !== true);
    if (missing.length === 0) return found(id, 'ok', `allowed: ${purpose}`);
    const byResource = new Map<string, string[]>();
    for (const right of missing)
      byResource.set(nameOf(right), [...(byResource.get(nameOf(right)) ?? []), right.verb]);
    const list = [...byResource].map(([name, verbs]) => `${verbs.join(', ')} on ${name}`);
    return found(id, always ? 'fail' : 'warn', `not allowed: ${list.join('; ')} (needed for ${purpose})`, [
      `ask for a Role in namespace ${namespace} with: ${list.join('; ')}`,
    ]);
  });
}

export async function checkRights(cluster: Cluster, place: ClusterWorker): Promise<Check[]> {
  const result = await kubectl(cluster, place, ['create', '--filename=-', '--output=json'], {
    input: reviewList(place.namespace),
  });
  if (result.code !== 0) {
    return [
      found(
        'rbac',
        'unknown',
        `the cluster did not report what is allowed: ${kubectlMessage(result.stderr)}`,
      ),
    ];
  }
  return judgeRights(result.stdout.toString(), place.namespace);
}
