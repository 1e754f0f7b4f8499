/** A service mesh's part: an admission webhook that changes each pod of a namespace before it is created. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { apply, kubectl, SCRATCH } from './cluster.ts';
import { IMAGE } from './install.ts';

/** This machine, as the node sees it (test/cluster/lib.sh). */
const HOST = '10.213.0.1';

/** A label of the mesh. */
export const label = { op: 'add', path: '/metadata/labels/mesh', value: 'injected' } as const;

/** What a container of the mesh does all day. */
export const WAITS = 'trap exit TERM; sleep infinity & wait';

/** A container of the mesh; the worker's image has what it needs. @param command for bash */
export const mesh = (command: string, more: object = {}) => ({
  name: 'mesh',
  image: IMAGE,
  command: ['bash', '-c', command],
  ...more,
});

/** Before the worker's own. */
export const sidecar = (command: string) =>
  ({ op: 'add', path: '/spec/containers/0', value: mesh(command) }) as const;

/** As Kubernetes itself knows them: an init container that goes on. */
export const nativeSidecar = (command: string) =>
  ({ op: 'add', path: '/spec/initContainers', value: [mesh(command, { restartPolicy: 'Always' })] }) as const;

/** A JSON Patch (RFC 6902). */
type Patch = readonly { readonly op: 'add'; readonly path: string; readonly value: unknown }[];

interface AdmissionReview {
  readonly request: { readonly uid: string };
}

/**
 * Changes the pods of a namespace while the tests around this call run.
 *
 * @param patch asked for each pod
 */
export function useWebhook(namespace: string, patch: () => Patch): void {
  const name = `${namespace}.example.com`;
  let server: Server;

  beforeAll(async () => {
    const { key, cert } = certificate(namespace);
    server = createServer({ key, cert }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { request: asked } = JSON.parse(Buffer.concat(chunks).toString()) as AdmissionReview;
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            apiVersion: 'admission.k8s.io/v1',
            kind: 'AdmissionReview',
            response: allow(asked.uid, patch()),
          }),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    const { port } = server.address() as AddressInfo;
    await apply({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name },
      webhooks: [
        {
          name,
          clientConfig: { url: `https://${HOST}:${port}/`, caBundle: cert.toString('base64') },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    });
  });

  afterAll(async () => {
    await kubectl('delete', 'mutatingwebhookconfiguration', name, '--ignore-not-found');
    server.closeAllConnections();
    server.close();
  });
}

const allow = (uid: string, patch: Patch) => ({
  uid,
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
});

/** Signed by itself, for the address. */
function certificate(name: string): { key: Buffer; cert: Buffer } {
  const folder = join(SCRATCH, `webhook-${name}`);
  mkdirSync(folder, { recursive: true });
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=webhook', '-addext', `subjectAltName=IP:${HOST}`];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject],
    { stdio: 'pipe' },
  );
  return { key: readFileSync(key), cert: readFileSync(cert) };
}
