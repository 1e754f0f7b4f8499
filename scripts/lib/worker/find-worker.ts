/** Finds the entry of a worker in a cluster, from the flags, kubectl's configuration and the live release. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Argv, RunResult } from '../exec.ts';
import { currentContext } from '../transport/kubectl.ts';
import { kubectlError } from '../transport/kubectl-errors.ts';
import { chooseRelease, releaseQuery } from './live-release.ts';

/** The values given as flags; the rest is looked up. */
export interface Given {
  readonly name: string;
  readonly pod: string | undefined;
  readonly namespace: string | undefined;
  readonly context: string | undefined;
  readonly container: string | undefined;
  readonly kubeconfig: string | undefined;
}

export interface Found {
  readonly worker: ClusterWorker;
  /** Why the entry may be wrong, when the cluster could not confirm it. */
  readonly doubt: string | null;
}

type Kubectl = (...args: string[]) => Promise<RunResult>;

/**
 * @param timeoutMs for each of the (at most two) kubectl calls
 * @throws CliError when a missing value cannot be found; says what was looked for, and which flag to give
 */
export async function findWorker(
  given: Given,
  { env, exec, signal }: Pick<Context, 'env' | 'exec' | 'signal'>,
  timeoutMs: number,
): Promise<Found> {
  const kubectl: Kubectl = async (...args) => {
    const argv: Argv = [
      env['KUBECTL'] || 'kubectl',
      ...(given.kubeconfig === undefined ? [] : [`--kubeconfig=${given.kubeconfig}`]),
      `--request-timeout=${Math.ceil(timeoutMs / 1000)}s`,
      ...args,
    ];
    const result = await exec.run(argv, { env, timeoutMs, signal });
    if (result.aborted) throw new InterruptedError();
    return result;
  };
  const { name, pod, namespace, container, kubeconfig } = given;
  const entry = (known: { pod: string; namespace: string; context: string }): ClusterWorker => ({
    runtime: 'kubernetes',
    name,
    ...known,
    ...(container === undefined ? {} : { container }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  });
  const context = given.context ?? (await contextToLookIn({ env, exec, signal }, given, timeoutMs));
  if (pod !== undefined && namespace !== undefined) {
    const worker = entry({ pod, namespace, context });
    return { worker, doubt: await doubtOf(worker, kubectl) };
  }
  const result = await kubectl(`--context=${context}`, ...releaseQuery(given));
  if (result.code !== 0) {
    const about = entry({ pod: pod ?? name, namespace: namespace ?? 'any', context });
    const error = kubectlError(result, about, 'look up the release of');
    throw new CliError(error.message, {
      exitCode: error.exitCode,
      hints: [...error.hints, 'without asking the cluster: --pod NAME --namespace NAME --context NAME'],
    });
  }
  const release = chooseRelease(result.stdout.toString('utf8'), given, context);
  return { worker: entry({ ...release, context }), doubt: null };
}

async function contextToLookIn(
  cluster: Pick<Context, 'env' | 'exec' | 'signal'>,
  { name, kubeconfig }: Given,
  timeoutMs: number,
): Promise<string> {
  const { name: current, result } = await currentContext(cluster, kubeconfig, timeoutMs);
  if (current !== '') return current;
  if (result.code === ExitCode.missingProgram || result.timedOut) {
    const about = { runtime: 'kubernetes', name, pod: name, namespace: 'any', context: 'current' } as const;
    throw kubectlError(result, about, 'find the context of');
  }
  throw new CliError('kubectl has no current context, so there is no cluster to look in', {
    hints: ['give --context NAME; to list them: kubectl config get-contexts'],
  });
}

/** The chart's name for the objects of a release: `factory-worker-1` for `worker-1` and for `factory-worker-1`. */
export function fullName(release: string): string {
  return release.startsWith('factory-') ? release : `factory-${release}`;
}

/** @throws CliError when kubectl has no current context, or is missing */
export async function contextToUse(
  kubeconfig: string | undefined,
  timeoutMs: number,
  context: Context,
): Promise<string> {
  const { name, result } = await currentContext(context, kubeconfig, timeoutMs);
  if (name !== '') return name;
  throw new CliError('it is not known which cluster the worker is for: kubectl has no current context', {
    exitCode: result.code === 127 ? ExitCode.missingProgram : ExitCode.failed,
    hints: ['give --context NAME; this lists them: kubectl config get-contexts'],
  });
}

/** Checks an entry that was given in full against the cluster. */
async function doubtOf(worker: ClusterWorker, kubectl: Kubectl): Promise<string | null> {
  const { pod, namespace, context } = worker;
  const result = await kubectl(
    `--context=${context}`,
    `--namespace=${namespace}`,
    'get',
    'deployments,statefulsets,pods',
    `--field-selector=metadata.name=${pod}`,
    '--output=name',
  );
  if (result.code !== 0) {
    return `taken as given, since it could not be checked: ${kubectlError(result, worker, 'look up').message}`;
  }
  if (result.stdout.toString('utf8').trim() !== '') return null;
  return `taken as given, but namespace ${namespace} of context ${context} has no Deployment, StatefulSet or pod ${pod}`;
}
