import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KubernetesObject } from './helm.ts';

export interface Discovery {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * An API server that knows its version and which kinds there are, and holds no object. `helm upgrade --dry-run=client`
 * and Helm 3's `helm install --dry-run=client` ask for that much; nothing is ever changed.
 *
 * @param objects one of each kind that will be asked for, `apiVersion` and `kind` suffice
 */
export async function startDiscovery(
  objects: readonly KubernetesObject[],
  version: string,
): Promise<Discovery> {
  const kinds = new Map<string, Set<string>>();
  for (const { apiVersion, kind } of objects) {
    kinds.set(apiVersion, (kinds.get(apiVersion) ?? new Set()).add(kind));
  }
  const answers = new Map<string, unknown>();
  const [major, minor] = version.split('.');
  answers.set('/version', { major, minor, gitVersion: `v${version}` });
  answers.set('/api', { kind: 'APIVersions', versions: ['v1'] });
  const groups = [...kinds.keys()].filter((groupVersion) => groupVersion.includes('/'));
  answers.set('/apis', { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(group) });
  for (const [groupVersion, names] of kinds) {
    const path = groupVersion.includes('/') ? `/apis/${groupVersion}` : `/api/${groupVersion}`;
    answers.set(path, { kind: 'APIResourceList', groupVersion, resources: [...names].map(resource) });
  }

  const server = createServer((request, response) => {
    const answer = answers.get((request.url ?? '').split('?')[0] ?? '');
    response.statusCode = answer === undefined ? 404 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify(answer ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

function group(groupVersion: string): unknown {
  const version = { groupVersion, version: groupVersion.split('/')[1] };
  return { name: groupVersion.split('/')[0], versions: [version], preferredVersion: version };
}

function resource(kind: string): unknown {
  const name = kind === 'NetworkPolicy' ? 'networkpolicies' : `${kind.toLowerCase()}s`;
  return { name, kind, namespaced: true, verbs: ['get', 'list', 'create', 'patch', 'delete'] };
}
