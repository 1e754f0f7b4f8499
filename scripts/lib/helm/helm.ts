/**
 * Helm, version 3 or 4. Every call is one process with the worker's own context, namespace and kubeconfig; no state is kept
 * between calls.
 *
 *     const helm = await findHelm(context);
 *     const release = { name: 'worker-1', worker };
 *     await helm.upgrade(release, { chart: chartPath(), set: { replicas: '0' } });
 *
 * An upgrade always keeps earlier values (`--reset-then-reuse-values`: the chart's new defaults, the release's own values, then
 * these). Helm never waits here (`--wait`): the caller watches the pod, and can report more about it.
 */

import { join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { packageRoot } from '../cli/version.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Argv, RunResult } from '../exec.ts';
import { kubectlError, lastWords } from '../transport/kubectl-errors.ts';
import { readAnswer } from '../transport/read-answer.ts';

/** A release: its name, and the worker, which says where it is. */
export interface Release {
  readonly name: string;
  readonly worker: ClusterWorker;
}

/** What an upgrade or installation changes. Secrets belong in `values`, never in `set`, which is in the argv. */
export interface Change {
  /** Folder or package of the chart; {@link chartPath} is the one of this checkout. */
  readonly chart: string;
  /** `--set-string` for strings, `--set` for numbers and booleans. */
  readonly set?: Readonly<Record<string, string | number | boolean>>;
  /** Passed on stdin, so that it does not show in a list of processes. */
  readonly values?: unknown;
  /** For `helm history`. */
  readonly description?: string;
}

export interface Helm {
  /** `3.18.0` */
  readonly version: string;
  readonly major: number;
  /** The argv of a call, for `--dry-run` and next steps. */
  command(release: Release, args: readonly string[]): Argv;
  /**
   * Any other call (`install`, `uninstall` …).
   *
   * @param input its stdin, for `--values -`
   * @returns its stdout
   * @throws HelmError when it failed
   */
  call(release: Release, args: readonly string[], input?: string): Promise<string>;
  /** The newest revision, whatever its status; null when there is no such release. */
  status(release: Release): Promise<Revision | null>;
  /** The last revisions (Helm keeps ten), oldest first. */
  history(release: Release): Promise<Revision[]>;
  /** The values given to a release; with `all`, including the chart's defaults. May contain tokens: never print them. */
  values(
    release: Release,
    options?: { readonly all?: boolean; readonly revision?: number },
  ): Promise<Record<string, unknown>>;
  /** The manifest of a revision, the newest by default. */
  manifest(release: Release, revision?: number): Promise<string>;
  /** The manifest that an upgrade would apply, rendered with the cluster's capabilities; changes nothing. */
  render(release: Release, change: Change): Promise<string>;
  upgrade(release: Release, change: Change): Promise<void>;
  rollback(release: Release, revision: number): Promise<void>;
}

/** The chart of this checkout. */
export function chartPath(): string {
  return join(packageRoot(), 'charts', 'factory-worker');
}

/** The arguments of an upgrade, after `helm`. */
export function upgradeArgs(
  { name }: Pick<Release, 'name'>,
  { chart, set = {}, values, description }: Change,
): string[] {
  return [
    'upgrade',
    name,
    chart,
    '--reset-then-reuse-values',
    ...Object.entries(set).map(([key, value]) =>
      typeof value === 'string' ? `--set-string=${key}=${value}` : `--set=${key}=${value}`,
    ),
    ...(values === undefined ? [] : ['--values=-']),
    ...(description === undefined ? [] : [`--description=${description}`]),
  ];
}

/**
 * The same upgrade, but a stopped worker stays stopped. `kubectl scale --replicas=0` leaves the field without an owner, so that
 * an upgrade by Helm 4 sets it to the release's 1 without a word (seen with Kubernetes 1.34 and 1.37).
 *
 * @param replicas those that the workload has now
 */
export function keepStopped(change: Change, replicas: number): Change {
  return replicas > 0 ? change : { ...change, set: { ...change.set, replicas: 0 } };
}

/** The arguments of a rollback, after `helm`. */
export function rollbackArgs({ name }: Pick<Release, 'name'>, revision: number): string[] {
  return ['rollback', name, String(revision)];
}

/**
 * The refusal of an upgrade that would change more than requested, since the chart here differs from the release's.
 *
 * @param would follows the worker's name: `would change in more than its replicas`
 * @param lines the other lines of the manifest that differ
 * @returns the sentence to put after the worker's name, and what to type
 */
export function chartDrift(would: string, lines: readonly string[]): { why: string; hints: string[] } {
  return {
    why: `${would}, since the chart of this checkout is not the release's: ${lines.length} lines differ`,
    hints: ['upgrade the chart as well: --chart-upgrade', ...lines.slice(0, 12)],
  };
}

/** Time limits for Helm's reads and changes. */
const READ_MS = 60_000;
const CHANGE_MS = 300_000;

/**
 * Finds Helm: `$HELM`, else the one on PATH.
 *
 * @throws CliError when there is none (127), or its version is not 3 or 4
 */
export async function findHelm({
  env,
  exec,
  signal,
}: Pick<Context, 'env' | 'exec' | 'signal'>): Promise<Helm> {
  const program = env['HELM'] || 'helm';
  const run = async (argv: Argv, timeoutMs: number, input?: string): Promise<RunResult> => {
    const result = await exec.run(argv, {
      env,
      signal,
      timeoutMs,
      ...(input === undefined ? {} : { input }),
    });
    if (result.aborted) throw InterruptedError.by(signal);
    return result;
  };

  const said = await run([program, 'version', '--template={{.Version}}'], READ_MS);
  if (said.code === 127 || said.code === 126) {
    throw new CliError(`${program} is not installed, or not on PATH`, {
      exitCode: ExitCode.missingProgram,
      hints: ['get it: https://helm.sh/docs/intro/install/ (version 3 or 4; or set HELM to its path)'],
    });
  }
  const [, version = '', digits = ''] = /v((\d+)[\w.+-]*)/.exec(said.stdout.toString('utf8')) ?? [];
  const major = Number(digits);
  if (major !== 3 && major !== 4) {
    throw new CliError(`${program} is not Helm 3 or 4: ${(said.stderr || said.stdout.toString()).trim()}`, {
      hints: ['set HELM to the path of one'],
    });
  }

  const command = ({ worker }: Release, args: readonly string[]): Argv => [
    program,
    ...(worker.kubeconfig === undefined ? [] : [`--kubeconfig=${worker.kubeconfig}`]),
    `--kube-context=${worker.context}`,
    `--namespace=${worker.namespace}`,
    ...args,
  ];
  const attempt = async (release: Release, args: readonly string[], timeoutMs: number, input?: string) => {
    const result = await run(command(release, args), timeoutMs, input);
    return result.code === 0 && !result.timedOut ? result.stdout.toString('utf8') : result;
  };
  const call = async (release: Release, args: readonly string[], timeoutMs: number, input?: string) => {
    const result = await attempt(release, args, timeoutMs, input);
    if (typeof result !== 'string') throw helmError(result, release.worker, args[0] ?? '');
    return result;
  };
  const at = (revision: number | undefined) => (revision === undefined ? [] : [`--revision=${revision}`]);
  const inputOf = ({ values }: Change) => (values === undefined ? undefined : JSON.stringify(values));

  return {
    version,
    major,
    command,
    call: (release, args, input) => call(release, args, CHANGE_MS, input),
    async status(release) {
      const result = await attempt(release, ['status', release.name, '--output=json'], READ_MS);
      if (typeof result === 'string') return parseStatus(result);
      if (/release: not found/.test(result.stderr)) return null;
      throw helmError(result, release.worker, 'status');
    },
    async history(release) {
      return parseHistory(
        await call(release, ['history', release.name, '--max=20', '--output=json'], READ_MS),
      );
    },
    async values(release, { all = false, revision } = {}) {
      const args = [
        'get',
        'values',
        release.name,
        ...(all ? ['--all'] : []),
        ...at(revision),
        '--output=json',
      ];
      return (
        readAnswer<Record<string, unknown> | null>(
          'helm-values',
          release.worker.name,
          await call(release, args, READ_MS),
        ) ?? {}
      );
    },
    manifest: (release, revision) =>
      call(release, ['get', 'manifest', release.name, ...at(revision)], READ_MS),
    async render(release, change) {
      // Rendered by the server: without it, a Helm built with `go install` assumes Kubernetes 1.20 for every cluster.
      const args = [...upgradeArgs(release, change), '--dry-run=server', '--output=json'];
      const text = await call(release, args, READ_MS, inputOf(change));
      return readAnswer<{ manifest: string }>('helm-render', release.worker.name, text).manifest;
    },
    async upgrade(release, change) {
      await call(release, upgradeArgs(release, change), CHANGE_MS, inputOf(change));
    },
    async rollback(release, revision) {
      await call(release, rollbackArgs(release, revision), CHANGE_MS);
    },
  };
}

/**
 * - `pending` another Helm operation is in progress, or was killed
 * - `values` the chart rejects the values
 * - `chart` there is no chart, or it cannot be rendered
 * - `missing` there is no such release or revision
 * - `conflict` another field manager owns a field (server-side apply)
 * - `cluster` the cluster refused
 * - `unreachable` no answer: the change may or may not have happened
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
    // The second: both have begun at once, and the other one was first to write its revision.
    pattern: /another operation \(install\/upgrade\/rollback\) is in progress|release: already exists/,
    kind: 'pending',
    hint: 'wait for it; if it was killed, build-push-rollout repairs that, or run: helm rollback RELEASE',
  },
  {
    pattern:
      /don't meet the specifications of the schema|execution error at \(factory-worker\/templates\/validate/,
    kind: 'values',
    hint: 'the values of the release no longer fit this chart: helm get values shows them; give new ones with helm upgrade --values FILE',
  },
  {
    pattern: /release: not found|has no deployed releases/,
    kind: 'missing',
    hint: 'what there is: helm list --all',
  },
  {
    pattern: /path ".*" not found|Chart\.yaml file is missing|parse error at|failed to download|template: /,
    kind: 'chart',
    hint: 'the chart is in this checkout, in charts/factory-worker; is the checkout complete? git status',
  },
  {
    pattern: /[Cc]onflict(?:s)? with "/,
    kind: 'conflict',
    hint: 'that field was changed by hand (kubectl scale, kubectl edit): helm upgrade … --force-conflicts takes it back; the attempt has left a failed revision, whose --set the next one forgets',
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
  const message = `helm ${doing} for ${worker.name} failed: ${said || `it exited with ${result.code} and printed nothing`}`;
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
  // The rest are errors of the cluster, worded as with kubectl.
  const { kind, hints } = kubectlError(result, worker, `${doing} the release of`);
  return new HelmError(kind === 'unreachable' ? 'unreachable' : 'cluster', message, hints);
}

/** A revision of a release. */
export interface Revision {
  readonly revision: number;
  /** Helm's word: `deployed`, `superseded`, `failed`, `pending-install`, `pending-upgrade`, `pending-rollback` … */
  readonly status: string;
  /** RFC 3339, from the clock of the machine that ran Helm. */
  readonly updated: string;
  /** `factory-worker-0.1.0`; empty from {@link parseStatus}. */
  readonly chart: string;
  readonly description: string;
}

/** @param json the output of `helm status NAME --output=json` */
export function parseStatus(json: string): Revision {
  const { version, info } = readAnswer<{
    readonly version: number;
    readonly info: {
      readonly status: string;
      readonly last_deployed?: string;
      readonly description?: string;
    };
  }>('helm-status', 'its release', json);
  return {
    revision: version,
    status: info.status,
    updated: info.last_deployed ?? '',
    chart: '',
    description: info.description ?? '',
  };
}

/** @param json the output of `helm history NAME --output=json` */
export function parseHistory(json: string): Revision[] {
  const rows = readAnswer<readonly Partial<Revision>[]>('helm-history', 'its release', json);
  return rows
    .map(({ revision = 0, status = '', updated = '', chart = '', description = '' }) => ({
      revision,
      status,
      updated,
      chart,
      description,
    }))
    .sort((a, b) => a.revision - b.revision);
}

/**
 * Whether a Helm operation on the release is in progress, or was killed: Helm refuses upgrades ("another operation is in
 * progress") until a rollback resolves that.
 */
export function isPending({ status }: Revision): boolean {
  return status.startsWith('pending-');
}

/**
 * The newest revision that is, or was, in effect: the one to go back to after an unfinished one.
 *
 * @returns null when there is none, such as after a first installation that was killed
 */
export function lastDeployed(history: readonly Revision[]): Revision | null {
  return (
    history.findLast(({ status }) => status === 'deployed') ??
    history.findLast(({ status }) => status === 'superseded') ??
    null
  );
}
