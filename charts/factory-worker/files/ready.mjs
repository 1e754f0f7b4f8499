// The chart's `helm test`: waits until the worker's Deployment is ready in its newest generation, else says why not.
import { readFileSync } from 'node:fs';

const {
  DEPLOYMENT,
  NAMESPACE,
  KUBERNETES_SERVICE_HOST: host = '',
  KUBERNETES_SERVICE_PORT: port,
} = process.env;
const account = process.env.SERVICE_ACCOUNT_DIR ?? '/var/run/secrets/kubernetes.io/serviceaccount';
const server = process.env.API_SERVER ?? `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
const deadline = Date.now() + Number(process.env.TIMEOUT_SECONDS ?? 240) * 1000;

const say = (line) => process.stdout.write(`${line}\n`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function get(path) {
  const token = readFileSync(`${account}/token`, 'utf8').trim();
  const answer = await fetch(`${server}${path}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(10_000),
  });
  if (!answer.ok) throw new Error(`the API server answers ${answer.status} to GET ${path}`);
  return answer.json();
}

/** Null when the worker is as it should be, else what it still lacks. */
function lacking(deployment) {
  const wanted = deployment.spec.replicas ?? 1;
  const {
    observedGeneration = 0,
    replicas = 0,
    updatedReplicas = 0,
    readyReplicas = 0,
  } = deployment.status ?? {};
  if (observedGeneration < deployment.metadata.generation) return 'the newest change has not been seen yet';
  if (updatedReplicas < wanted) return 'the new pod has not been made yet';
  if (replicas > wanted) return 'an old pod is still there';
  if (readyReplicas < wanted) return 'the pod is not ready';
  return null;
}

/** What a pod says about itself, in one line. */
function describe(pod) {
  const state = pod.status?.containerStatuses?.[0]?.state ?? {};
  const reason = state.waiting ?? state.terminated;
  const refused = pod.status?.conditions?.find(
    (condition) => condition.status === 'False' && condition.message,
  );
  const why = reason ? [reason.reason, reason.message].filter(Boolean).join(': ') : refused?.message;
  return `${pod.metadata.name}: ${pod.status?.phase ?? 'unknown'}${why ? `, ${why}` : ''}`;
}

async function explain(deployment) {
  for (const condition of deployment?.status?.conditions ?? []) {
    if (condition.type === 'ReplicaFailure' && condition.status === 'True') say(`  ${condition.message}`);
  }
  const labels = Object.entries(deployment?.spec?.selector?.matchLabels ?? {}).map((pair) => pair.join('='));
  const selector = encodeURIComponent(labels.join(','));
  const pods = await get(`/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${selector}`);
  for (const pod of pods.items) say(`  ${describe(pod)}`);
  if (pods.items.length === 0) say('  there is no pod');
  say(`next: kubectl --namespace ${NAMESPACE} exec deploy/${DEPLOYMENT} -- worker-health ready`);
  say(`      kubectl --namespace ${NAMESPACE} describe pod --selector ${labels.join(',')}`);
}

let deployment;
let problem = '';
for (;;) {
  try {
    deployment = await get(`/apis/apps/v1/namespaces/${NAMESPACE}/deployments/${DEPLOYMENT}`);
    const lack = lacking(deployment);
    if (lack === null) {
      const stopped = deployment.spec.replicas === 0;
      say(
        stopped ? `ok: ${DEPLOYMENT} is stopped, as its replicas: 0 asks for` : `ok: ${DEPLOYMENT} is ready`,
      );
      process.exit(0);
    }
    problem = lack;
  } catch (error) {
    problem = error.cause?.message ? `${error.message}: ${error.cause.message}` : error.message;
  }
  if (Date.now() >= deadline) break;
  await pause(Math.min(3000, Math.max(0, deadline - Date.now())));
}
say(`fail: ${DEPLOYMENT}: ${problem}`);
await explain(deployment).catch((error) => say(`  its pods could not be read: ${error.message}`));
process.exit(1);
