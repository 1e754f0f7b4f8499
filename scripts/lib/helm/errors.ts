/** What Helm's complaints mean, and what to do about each. */
import { CliError, ExitCode } from '../cli/errors.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { RunResult } from '../exec.ts';
import { kubectlError, lastWords } from '../transport/kubectl-errors.ts';

/**
 * - `pending` another Helm is at work on the release, or was killed
 * - `values` the chart refuses the values
 * - `chart` there is no chart, or it cannot be rendered
 * - `missing` there is no such release or revision
 * - `conflict` somebody else owns a field (server-side apply)
 * - `cluster` the cluster refused
 * - `unreachable` it did not answer: what was asked may or may not have happened
 */
export type HelmErrorKind =
  | 'pending'
  | 'values'
  | 'chart'
  | 'missing'
  | 'conflict'
  | 'cluster'
  | 'unreachable';

export class HelmError extends CliError {
  override readonly name = 'HelmError';
  readonly kind: HelmErrorKind;

  constructor(
    kind: HelmErrorKind,
    message: string,
    hints: readonly string[],
    exitCode: number = ExitCode.failed,
  ) {
    super(message, { hints, exitCode });
    this.kind = kind;
  }
}

interface Rule {
  readonly pattern: RegExp;
  readonly kind: HelmErrorKind;
  readonly hint: string;
}

const RULES: readonly Rule[] = [
  {
    pattern: /another operation \(install\/upgrade\/rollback\) is in progress/,
    kind: 'pending',
    hint: 'wait for it; if it was killed, a release mends that by itself, and so does: helm rollback RELEASE',
  },
  {
    pattern:
      /don't meet the specifications of the schema|execution error at \(factory-worker\/templates\/validate/,
    kind: 'values',
    hint: 'the values of the release no longer fit this chart: helm get values shows them; give the new ones with helm upgrade --values FILE',
  },
  {
    pattern: /release: not found|has no deployed releases/,
    kind: 'missing',
    hint: 'what there is: helm list --all',
  },
  {
    pattern: /path ".*" not found|Chart\.yaml file is missing|parse error at|failed to download|template: /,
    kind: 'chart',
    hint: 'the chart comes with this checkout, in charts/factory-worker; is the checkout whole? git status',
  },
  {
    pattern: /[Cc]onflict(?:s)? with "/,
    kind: 'conflict',
    hint: 'somebody changed that field by hand (kubectl scale, kubectl edit): helm upgrade … --force-conflicts takes it back',
  },
];

/** @param doing the verb of Helm that failed: `upgrade` */
export function helmError(result: RunResult, worker: ClusterWorker, doing: string): CliError {
  const said = result.stderr
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^(?:WARNING|I\d{4}|W\d{4}|level=)/.test(line))
    .join('\n')
    .replace(/^Error: (?:UPGRADE FAILED: |INSTALLATION FAILED: )?/, '')
    .trim();
  const message = `helm ${doing} for ${worker.name} failed: ${said || `it ended with ${result.code} and said nothing`}`;
  if (result.timedOut) {
    return new HelmError(
      'unreachable',
      `helm ${doing} for ${worker.name}: no answer in time${lastWords(result.stderr)}`,
      [],
      ExitCode.timeout,
    );
  }
  for (const { pattern, kind, hint } of RULES) {
    if (pattern.test(said)) return new HelmError(kind, message, [hint]);
  }
  // The rest is the cluster's own doing, in the same words as kubectl's.
  const { kind, hints } = kubectlError(result, worker, `${doing} the release of`);
  return new HelmError(kind === 'unreachable' ? 'unreachable' : 'cluster', message, hints);
}
