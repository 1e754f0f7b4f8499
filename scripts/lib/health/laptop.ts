/** Checks the programs on the laptop and kubectl's configuration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode } from '../cli/errors.ts';
import { shellLine } from '../cli/text.ts';
import { homeOf, shortPath } from '../config/paths.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { findHelm } from '../helm/helm.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { kubectlMessage } from '../transport/kubectl-errors.ts';
import { readAnswer } from '../transport/read-answer.ts';
import { type Check, found } from './check.ts';

/** The oldest version that the chart supports (charts/factory-worker/README.md). */
const OLDEST_HELM = [3, 18] as const;

/** The output of `kubectl version --output=json`. */
interface Versions {
  readonly clientVersion?: { readonly gitVersion?: string };
  readonly serverVersion?: { readonly gitVersion?: string };
}

/** Whether kubectl is installed, and its version. */
export async function checkKubectl({ exec, env, signal }: Context): Promise<Check> {
  const program = env['KUBECTL'] || 'kubectl';
  const result = await exec.run([program, 'version', '--client', '--output=json'], {
    env,
    signal,
    timeoutMs: 15_000,
  });
  if (result.code !== 0) {
    const why = result.code === 127 ? 'is not installed, or not on PATH' : result.stderr.trim();
    return found('kubectl', 'fail', `${program} ${why}`, [
      'get it: https://kubernetes.io/docs/tasks/tools/ (or set KUBECTL to its path)',
    ]);
  }
  const { clientVersion } = readAnswer<Versions>('versions', 'kubectl', result.stdout.toString());
  return found('kubectl', 'ok', `${program} ${clientVersion?.gitVersion ?? 'of an unknown version'}`);
}

/**
 * Warns of what the operator's kuberc cannot do, since it is switched off for our calls (program-environment.ts): as of
 * kubectl 1.35 it can restrict which programs a kubeconfig may start to log in.
 *
 * @returns empty when it has no such restriction
 */
export function checkKuberc({ env }: Pick<Context, 'env'>): Check[] {
  const home = homeOf(env);
  const file = env['KUBERC'] || join(home, '.kube', 'kuberc');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  if (!/credentialPluginPolicy["']?\s*:\s*["']?(?!AllowAll\b)\w/.test(text)) return [];
  const reason = `the credentialPluginPolicy in ${shortPath(file, home)} has no effect here: kuberc is switched off, since its defaults would change our calls`;
  return [
    found('kuberc', 'warn', reason, [
      `which programs your kubeconfigs start: ${shellLine(['kubectl', 'config', 'view', '--output=jsonpath={.users[*].user.exec.command}'])}`,
    ]),
  ];
}

export async function checkHelm(context: Context): Promise<Check> {
  try {
    const { version, major } = await findHelm(context);
    const minor = Number(version.split('.')[1]);
    if (major === OLDEST_HELM[0] && minor < OLDEST_HELM[1]) {
      return found(
        'helm',
        'fail',
        `helm ${version} is older than ${OLDEST_HELM.join('.')}, which the chart needs`,
        ['get a newer one: https://helm.sh/docs/intro/install/ (or set HELM to its path)'],
      );
    }
    return found('helm', 'ok', `helm ${version}`);
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode === ExitCode.interrupted) throw error;
    const { message, hints } = error;
    return found('helm', 'warn', `${message}; only commands that change a release need it`, hints);
  }
}

interface KubeConfig {
  readonly users?: readonly {
    readonly user?: {
      readonly exec?: { readonly command?: string; readonly installHint?: string };
      readonly 'auth-provider'?: { readonly name?: string };
      readonly tokenFile?: string;
    };
  }[];
}

/** Whether the context exists, and the program that logs in to it. */
export async function checkContext(cluster: Cluster, place: ClusterWorker): Promise<Check[]> {
  const known = `existing contexts: ${shellLine(['kubectl', ...(place.kubeconfig ? ['--kubeconfig', place.kubeconfig] : []), 'config', 'get-contexts'])}`;
  if (place.context === '') {
    return [
      found('context', 'fail', 'kubectl has no current context, and none was given with --context', [
        known,
        'choose one permanently: kubectl config use-context NAME',
      ]),
    ];
  }
  const result = await kubectl(cluster, place, ['config', 'view', '--minify', '--output=json'], {
    bounded: false,
  });
  if (result.code !== 0) {
    return [found('context', 'fail', kubectlMessage(result.stderr), [known])];
  }
  const config = readAnswer<KubeConfig>('kubeconfig', place.name, result.stdout.toString());
  return [found('context', 'ok', place.context), await checkCredentialPlugin(cluster, config)];
}

async function checkCredentialPlugin({ exec, env, signal }: Cluster, config: KubeConfig): Promise<Check> {
  const user = config.users?.[0]?.user;
  const old = user?.['auth-provider']?.name;
  if (old !== undefined) {
    return found(
      'credential-plugin',
      'fail',
      `the context logs in with auth-provider ${old}, which kubectl dropped in 1.26`,
      [
        "write the kubeconfig again with the provider's tool, such as: doctl kubernetes cluster kubeconfig save NAME",
      ],
    );
  }
  const command = user?.exec?.command;
  if (command === undefined) return found('credential-plugin', 'ok', 'none needed');
  const result = await exec.run(['bash', '-c', 'command -v -- "$1"', 'which', command], {
    env,
    signal,
    timeoutMs: 10_000,
  });
  if (result.code === 0) return found('credential-plugin', 'ok', result.stdout.toString().trim());
  return found('credential-plugin', 'fail', `${command}, which the context uses to log in, is not on PATH`, [
    user?.exec?.installHint?.trim().split('\n')[0] || `install ${command}`,
  ]);
}

/** Whether the cluster answers and accepts us, and how far its version is from kubectl's. */
export async function checkServer(cluster: Cluster, place: ClusterWorker): Promise<Check> {
  const begun = performance.now();
  const result = await kubectl(cluster, place, ['version', '--output=json']);
  const { clientVersion, serverVersion } = readAnswer<Versions>(
    'versions',
    place.name,
    result.stdout.toString() || '{}',
  );
  if (result.code !== 0 || serverVersion?.gitVersion === undefined) {
    const { kubectlError } = await import('../transport/kubectl-errors.ts');
    const { message, hints } = kubectlError(result, place, 'reach the cluster of');
    return found('cluster', 'fail', message, hints);
  }
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const [client, server] = [clientVersion?.gitVersion ?? '', serverVersion.gitVersion];
  const reason = `Kubernetes ${server}, answered in ${seconds}s`;
  if (minorOf(server) < 29) {
    return found('cluster', 'fail', `${reason}; the chart needs 1.29 or newer`, ['upgrade the cluster']);
  }
  return Math.abs(minorOf(client) - minorOf(server)) > 1
    ? found('cluster', 'warn', `${reason}; kubectl ${client} is more than one minor version away`, [
        `get kubectl ${server.split('.').slice(0, 2).join('.')}: https://kubernetes.io/docs/tasks/tools/`,
      ])
    : found('cluster', 'ok', reason);
}

/** `v1.34.4` gives 34. */
function minorOf(version: string): number {
  return Number(/^v1\.(\d+)/.exec(version)?.[1] ?? Number.NaN);
}
