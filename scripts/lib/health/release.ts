/** Checks a worker's release in the cluster: Deployment, Secret keys (never values), pull secrets, volume. */

import { CliError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type Helm, isPending } from '../helm/helm.ts';
import { helmCommand } from '../helm/set-value.ts';
import { KEYS_TEMPLATE, keysWithValues } from '../secret/secret.ts';
import { NEEDED_KEYS } from '../secret/tokens.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlInNamespace, kubectlMessage } from '../transport/kubectl-errors.ts';
import type { ClaimObject } from '../transport/objects.ts';
import { readAnswer } from '../transport/read-answer.ts';
import type { CommandLine } from '../worker/status.ts';
import type { Workload } from '../worker/workload.ts';
import { type Check, found } from './check.ts';
import { missingClaim } from './facts.ts';

/** @param rotate the command line that writes tokens */
export async function checkSecret(
  cluster: Cluster,
  worker: ClusterWorker,
  secret: string,
  rotate: string,
): Promise<Check> {
  const result = await kubectl(cluster, worker, [
    'get',
    'secret',
    secret,
    `--output=go-template=${KEYS_TEMPLATE}`,
  ]);
  if (result.code !== 0) {
    return /\(NotFound\)/.test(result.stderr)
      ? found(
          'secret-keys',
          'fail',
          `there is no Secret ${secret}: the worker can neither clone nor run agents`,
          [rotate],
        )
      : found('secret-keys', 'unknown', kubectlMessage(result.stderr));
  }
  const keys = keysWithValues(result.stdout.toString());
  const missing = NEEDED_KEYS.filter((key) => !keys.includes(key));
  return missing.length === 0
    ? found('secret-keys', 'ok', `${secret} has ${keys.join(', ')}`)
    : found('secret-keys', 'fail', `${secret} has no ${missing.join(', ')}`, [rotate]);
}

export async function checkPullSecrets(
  cluster: Cluster,
  worker: ClusterWorker,
  { pod, image }: Workload,
): Promise<Check> {
  const pullSecrets = pod.imagePullSecrets.map(({ name }) => name);
  if (pullSecrets.length === 0) {
    return found('pull-secret', 'ok', `none named; the nodes must be able to pull ${image} without a login`);
  }
  const result = await kubectl(cluster, worker, [
    'get',
    'secret',
    ...pullSecrets,
    '--ignore-not-found',
    '--output=go-template={{if .items}}{{range .items}}{{.metadata.name}} {{.type}}{{"\\n"}}{{end}}{{else}}{{.metadata.name}} {{.type}}{{end}}',
  ]);
  if (result.code !== 0) return found('pull-secret', 'unknown', kubectlMessage(result.stderr));
  const types = new Map(
    result.stdout
      .toString()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
  const wrong = pullSecrets.filter(
    (name) => !/^kubernetes\.io\/dockercfg|^kubernetes\.io\/dockerconfigjson/.test(types.get(name) ?? ''),
  );
  if (wrong.length === 0) return found('pull-secret', 'ok', pullSecrets.join(', '));
  const [first = ''] = wrong;
  return found(
    'pull-secret',
    'fail',
    `${wrong.join(', ')}: ${types.has(first) ? 'not a Secret with a registry login' : 'no such Secret'}; the image cannot be pulled`,
    [
      `${kubectlInNamespace(worker, 'create', 'secret', 'generic', first, '--type=kubernetes.io/dockerconfigjson')} --from-file=.dockerconfigjson="$HOME/.docker/config.json"`,
    ],
  );
}

export async function checkClaim(
  cluster: Cluster,
  worker: ClusterWorker,
  { claim, replicas }: Pick<Workload, 'replicas'> & { readonly claim: string },
  command: CommandLine,
): Promise<Check> {
  const result = await kubectl(cluster, worker, ['get', 'persistentvolumeclaim', claim, '--output=json']);
  const describe = kubectlInNamespace(worker, 'describe', 'persistentvolumeclaim', claim);
  if (result.code !== 0) {
    return /\(NotFound\)/.test(result.stderr)
      ? found('volume', 'fail', `there is no claim ${claim}`, [missingClaim(worker, claim, command)])
      : found('volume', 'unknown', kubectlMessage(result.stderr));
  }
  const { spec, status } = readAnswer<ClaimObject>('object', worker.name, result.stdout.toString());
  const what = `${claim}, class ${spec?.storageClassName || 'none'}, ${spec?.accessModes?.join(', ')}`;
  if (status?.phase === 'Bound') return found('volume', 'ok', `${what}, ${status.capacity?.storage}`);
  const waits =
    status?.phase === 'Pending' && (await isChosenWithNode(cluster, worker, spec?.storageClassName));
  if (waits && replicas === 0) {
    return found('volume', 'ok', `${what}: its volume is chosen when the worker starts (${WITH_NODE})`);
  }
  const pending = `${what} is ${status?.phase ?? 'without a phase'}`;
  return waits
    ? found('volume', 'fail', `${pending}: its volume is chosen with the node of its pod (${WITH_NODE})`, [
        command('why', worker.name),
        describe,
      ])
    : found('volume', 'fail', pending, [describe]);
}

/** The volumeBindingMode of a class whose claims stay Pending until there is a pod, and a node for it. */
const WITH_NODE = 'WaitForFirstConsumer';

/** False also where the class may not be read. */
async function isChosenWithNode(
  cluster: Cluster,
  worker: ClusterWorker,
  storageClass: string | undefined,
): Promise<boolean> {
  if (!storageClass) return false;
  const result = await kubectl(cluster, worker, ['get', 'storageclass', storageClass, '--output=json']);
  if (result.code !== 0) return false;
  const { volumeBindingMode } = readAnswer<{ volumeBindingMode?: string }>(
    'object',
    worker.name,
    result.stdout.toString(),
  );
  return volumeBindingMode === WITH_NODE;
}

/** @param deployment null when there is none */
export async function checkRelease(
  helm: Helm | null,
  worker: ClusterWorker,
  deployment: Workload | null,
  command: (name: string, ...args: string[]) => string,
): Promise<Check> {
  if (deployment === null) {
    return found('release', 'fail', `there is no Deployment ${worker.pod} in namespace ${worker.namespace}`, [
      `install it: ${command('provision', worker.name)}`,
    ]);
  }
  if (deployment.release === null) {
    return found(
      'release',
      'warn',
      `Deployment ${worker.pod} does not belong to a Helm release: start, stop and releases do not work on it`,
    );
  }
  if (helm === null)
    return found('release', 'unknown', `${deployment.release}; helm is missing, so its state is unknown`);
  try {
    const revision = await helm.status({ name: deployment.release, worker });
    if (revision === null) return found('release', 'fail', `Helm has no release ${deployment.release}`);
    const what = `${deployment.release} revision ${revision.revision} is ${revision.status}`;
    if (isPending(revision)) {
      return found('release', 'fail', `${what}: a helm is running, or was killed`, [
        `if it was killed: ${helmCommand(worker, 'rollback', deployment.release)}`,
      ]);
    }
    return found('release', revision.status === 'deployed' ? 'ok' : 'warn', what);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return found('release', 'unknown', error.message, error.hints);
  }
}
