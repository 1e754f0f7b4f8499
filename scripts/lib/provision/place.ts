/** Where a worker is that is not in workers.yaml (yet, or any more). */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode } from '../cli/errors.ts';
import { currentContext } from '../transport/kubectl.ts';

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
