import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { CHART, type KubernetesObject } from './helm.ts';

/** The script of `helm test`, run for real against an API server of ours. */
const account = mkdtempSync(join(tmpdir(), 'account-'));
const requests: IncomingMessage[] = [];
let server: Server;
let answers: readonly KubernetesObject[] = [];
let pods: readonly KubernetesObject[] = [];

beforeAll(async () => {
  writeFileSync(join(account, 'token'), 'a-token\n');
  server = createServer((request, response) => {
    requests.push(request);
    const path = request.url ?? '';
    response.setHeader('content-type', 'application/json');
    if (path.startsWith('/api/v1/namespaces/factory/pods?')) {
      return response.end(JSON.stringify({ items: pods }));
    }
    // The answers one after the other, the last one for ever.
    const answer = answers.length > 1 ? answers[0] : answers.at(-1);
    answers = answers.length > 1 ? answers.slice(1) : answers;
    if (path !== '/apis/apps/v1/namespaces/factory/deployments/factory-worker-1' || answer === undefined) {
      response.statusCode = 403;
      return response.end('{}');
    }
    return response.end(JSON.stringify(answer));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterEach(() => requests.splice(0));
afterAll(() => {
  server.close();
  server.closeAllConnections();
  rmSync(account, { recursive: true, force: true });
});

const matchLabels = { 'app.kubernetes.io/name': 'factory-worker', 'app.kubernetes.io/instance': 'worker-1' };

function deployment(status: object, replicas = 1): KubernetesObject {
  return { metadata: { generation: 3 }, spec: { replicas, selector: { matchLabels } }, status };
}

const READY = { observedGeneration: 3, replicas: 1, updatedReplicas: 1, readyReplicas: 1 };

function helmTest(env: Record<string, string> = {}): Promise<{ code: number; text: string }> {
  const { port } = server.address() as AddressInfo;
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(CHART, 'files', 'ready.mjs')],
      {
        env: {
          DEPLOYMENT: 'factory-worker-1',
          NAMESPACE: 'factory',
          API_SERVER: `http://127.0.0.1:${port}`,
          SERVICE_ACCOUNT_DIR: account,
          TIMEOUT_SECONDS: '0',
          ...env,
        },
      },
      (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), text: stdout + stderr }),
    );
  });
}

test('a ready worker passes', async () => {
  answers = [deployment(READY)];
  expect(await helmTest()).toEqual({ code: 0, text: 'ok: factory-worker-1 is ready\n' });
  expect(requests[0]?.headers.authorization).toBe('Bearer a-token');
});

test('a worker that is stopped on purpose passes, and says so', async () => {
  answers = [deployment({ observedGeneration: 3 }, 0)];
  expect(await helmTest()).toEqual({
    code: 0,
    text: 'ok: factory-worker-1 is stopped, as its replicas: 0 asks for\n',
  });
});

test('a worker that gets ready meanwhile passes', async () => {
  answers = [deployment({ ...READY, readyReplicas: 0 }), deployment(READY)];
  expect((await helmTest({ TIMEOUT_SECONDS: '20' })).code).toBe(0);
  expect(requests).toHaveLength(2);
});

test.each([
  ['an old generation', { ...READY, observedGeneration: 2 }, 'the newest change has not been seen yet'],
  ['no new pod', { ...READY, updatedReplicas: 0 }, 'the new pod has not been made yet'],
  ['a pod too many', { ...READY, replicas: 2 }, 'an old pod is still there'],
  ['a pod that is not ready', { ...READY, readyReplicas: 0 }, 'the pod is not ready'],
  ['a status that is empty', {}, 'the newest change has not been seen yet'],
])('%s fails with the reason', async (_case, status, reason) => {
  answers = [deployment(status)];
  pods = [];
  const { code, text } = await helmTest();
  expect(code).toBe(1);
  expect(text.split('\n')[0]).toBe(`fail: factory-worker-1: ${reason}`);
  expect(text).toContain('  there is no pod\n');
  expect(text).toContain(
    'next: kubectl --namespace factory exec deploy/factory-worker-1 -- worker-health ready',
  );
});

test('an old pod that is still there does not pass for a stopped worker', async () => {
  answers = [deployment({ observedGeneration: 3, replicas: 1 }, 0)];
  expect((await helmTest()).text).toContain('an old pod is still there');
});

test('a failure says what Kubernetes says about the pod', async () => {
  answers = [
    deployment({
      observedGeneration: 3,
      conditions: [
        { type: 'ReplicaFailure', status: 'True', message: 'violates PodSecurity "baseline:latest"' },
      ],
    }),
  ];
  const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image' };
  const conditions = [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes are available' }];
  pods = [
    { metadata: { name: 'p1' }, status: { phase: 'Pending', containerStatuses: [{ state: { waiting } }] } },
    { metadata: { name: 'p2' }, status: { phase: 'Pending', conditions } },
  ];
  const { code, text } = await helmTest();
  expect(code).toBe(1);
  expect(text).toContain('  violates PodSecurity "baseline:latest"\n');
  expect(text).toContain('  p1: Pending, ImagePullBackOff: Back-off pulling image\n');
  expect(text).toContain('  p2: Pending, 0/1 nodes are available\n');
  const selector = new URL(requests.at(-1)?.url ?? '', 'http://x').searchParams.get('labelSelector');
  expect(selector).toBe('app.kubernetes.io/name=factory-worker,app.kubernetes.io/instance=worker-1');
});

test('an API server that refuses or is not there is a reason, not a crash', async () => {
  answers = [];
  const refused = await helmTest();
  expect(refused.code).toBe(1);
  expect(refused.text).toContain('the API server answers 403 to GET /apis/apps/v1/');
  const gone = await helmTest({ API_SERVER: 'http://127.0.0.1:9' });
  expect(gone.code).toBe(1);
  expect(gone.text).toMatch(/^fail: factory-worker-1: fetch failed: /);
  expect(gone.text).not.toMatch(/\n {4}at /);
});
