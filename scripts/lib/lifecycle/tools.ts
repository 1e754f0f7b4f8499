/** The programs that change a worker in a cluster: each call is an action of a plan, command line and effect from one argv. */
import type { Context } from '../cli/command.ts';
import { shellLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Helm } from '../helm/helm.ts';
import { type Action, type CommandLines, silently } from '../plan.ts';
import type { Cluster } from '../transport/kubectl.ts';
import {
  CREATE_ARGS,
  change,
  create,
  kubectlArgv,
  type NewObject,
  remove,
  removeArgs,
} from '../transport/objects.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';

/** What a pure plan is built with; tests pass their own. */
export interface Tools extends CommandLines {
  /** A kubectl call that changes something. */
  runKubectl(...args: string[]): Action;
  /** A helm call that changes something. @param input its standard input */
  runHelm(args: readonly string[], input?: string): Action;
  /** Creates an object, and checks that it exists. The printed line contains the object. */
  create(object: NewObject): Action;
  /** Deletes an object if it exists, and checks that it goes. */
  remove(kind: string, name: string): Action;
}

export function commandLines(
  helm: Helm,
  worker: ClusterWorker,
  { env, commandLine }: Pick<Context, 'env' | 'commandLine'>,
): CommandLines {
  return {
    kubectl: (...args) => shellLine(kubectlArgv({ env }, worker, args)),
    helm: (...args) => shellLine(helm.command({ name: worker.name, worker }, args)),
    ours: commandLine,
  };
}

export function createTools(helm: Helm, cluster: Cluster, worker: ClusterWorker, context: Context): Tools {
  const lines = commandLines(helm, worker, context);
  return {
    ...lines,
    runKubectl: (...args) => ({
      commands: [lines.kubectl(...args)],
      run: silently(() => change(cluster, worker, args)),
    }),
    runHelm: (args, input) => ({
      commands: [lines.helm(...args)],
      run: silently(() => helm.call({ name: worker.name, worker }, args, input)),
    }),
    create: (object) => ({
      commands: [`${lines.kubectl(...CREATE_ARGS)} <<<'${JSON.stringify(object)}'`],
      run: silently(() => create(cluster, worker, object)),
    }),
    remove: (kind, name) => ({
      commands: [lines.kubectl(...removeArgs(kind, name))],
      run: silently(() => remove(cluster, worker, kind, name)),
    }),
  };
}

/**
 * Tells a worker that is being stopped not to wait for its running stage.
 *
 * @returns a sentence when it could not be told, usually because it is gone already
 */
export async function stopNow(
  worker: ClusterWorker,
  context: Context,
  timeoutMs: number,
): Promise<string | undefined> {
  try {
    const { transport } = await createReach(context, timeoutMs).enter(worker);
    await transport.run({ script: 'stop-now', args: [], timeoutMs, signal: context.signal });
    return undefined;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return `it could not be told: ${error.message}`;
  }
}
