/** Somebody who may not do everything. */
import { apply, kubeconfigWith, kubectl } from './cluster.ts';

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** Some verbs on a resource of Kubernetes' core. */
export function rule(resource: string, ...verbs: string[]): Rule {
  return { apiGroups: [''], resources: [resource], verbs };
}

/**
 * Makes somebody who may do only what the rules say, in one namespace.
 *
 * @returns the path of their kubeconfig
 */
export async function makePerson(namespace: string, name: string, rules: readonly Rule[]): Promise<string> {
  const metadata = { name, namespace };
  const apiGroup = 'rbac.authorization.k8s.io';
  const apiVersion = `${apiGroup}/v1`;
  await apply(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion, kind: 'Role', metadata, rules },
    {
      apiVersion,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup, kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
  );
  const token = (await kubectl('-n', namespace, 'create', 'token', name)).trim();
  return kubeconfigWith(name, { token });
}
