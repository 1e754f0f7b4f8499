/**
 * An API server that holds a few objects of one namespace, for a kubectl that is to be the real one: enough of discovery,
 * GET and DELETE for `kubectl get` and `kubectl delete`.
 *
 *     await using server = await apiServer({ persistentvolumeclaims: ['factory-worker-1-data'] });
 *     … KUBECONFIG: server.kubeconfig …
 *     expect(server.requests).toContain('DELETE /api/v1/namespaces/factory/persistentvolumeclaims/factory-worker-1-data');
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const KINDS = { persistentvolumeclaims: 'PersistentVolumeClaim', secrets: 'Secret', pods: 'Pod' } as const;
type Resource = keyof typeof KINDS;

const CONTEXT = 'stub';

export interface ApiServer extends AsyncDisposable {
  /** Path of a kubeconfig with the context {@link context}. */
  readonly kubeconfig: string;
  readonly context: string;
  /** What was asked so far, as `GET /path`. */
  readonly requests: readonly string[];
}

export async function apiServer(objects: Partial<Record<Resource, readonly string[]>>): Promise<ApiServer> {
  const there = new Set(
    Object.entries(objects).flatMap(([resource, names]) =>
      names.map((name) => `/api/v1/namespaces/factory/${resource}/${name}`),
    ),
  );
  const requests: string[] = [];
  const server = createServer(({ method, url = '' }, response) => {
    const { pathname } = new URL(url, 'http://stub');
    requests.push(`${method} ${pathname}`);
    const object = there.has(pathname) ? objectAt(pathname) : undefined;
    if (method === 'DELETE') there.delete(pathname);
    const body = DISCOVERY[pathname] ?? object ?? NOT_FOUND;
    response.writeHead(body === NOT_FOUND ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const folder = mkdtempSync(join(tmpdir(), 'api-server-'));
  const kubeconfig = join(folder, 'config');
  writeFileSync(kubeconfig, JSON.stringify(configFor(`http://127.0.0.1:${port}`)));
  return {
    kubeconfig,
    context: CONTEXT,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
}

const DISCOVERY: Readonly<Record<string, object>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: Object.entries(KINDS).map(([name, kind]) => ({
      name,
      kind,
      singularName: kind.toLowerCase(),
      namespaced: true,
      verbs: ['delete', 'get', 'list'],
    })),
  },
};

const NOT_FOUND = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 };

function objectAt(path: string): object {
  const [resource = 'pods', name] = path.split('/').slice(-2);
  return {
    apiVersion: 'v1',
    kind: KINDS[resource as Resource],
    metadata: { name, namespace: 'factory', uid: `uid-of-${name}` },
  };
}

function configFor(server: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: CONTEXT, cluster: { server } }],
    users: [{ name: CONTEXT, user: {} }],
    contexts: [{ name: CONTEXT, context: { cluster: CONTEXT, user: CONTEXT } }],
  };
}
