/** The one book of rules, and the report that is made by it. `status`, `list`, `why`, `watch` and `doctor` select from it. Pure. */
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { PodFacts } from '../transport/pods.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import type { CommandLine, Problem, Status } from '../worker/status.ts';
import { type Facts, type Finding, NOT_ASKED, type Rule, type Severity } from './facts.ts';
import * as pod from './pod-rules.ts';
import * as work from './work-rules.ts';
import * as self from './worker-rules.ts';

/** What a rule is about: the pod with its node, volume and Docker; the worker's own programs; the issues. */
export type Scope = 'pod' | 'worker' | 'work';

interface Entry {
  readonly scope: Scope;
  /** Of what the rule finds, unless it says otherwise. */
  readonly severity: Severity;
  readonly rule: Rule;
}

const entries = (scope: Scope, severity: Severity, ...rules: readonly Rule[]): Entry[] =>
  rules.map((rule) => ({ scope, severity, rule }));

/**
 * In the order in which findings are worth reading: from the ground up. It is that of the STATUS column too: the first finding
 * with a status decides.
 */
const BOOK: readonly Entry[] = [
  ...entries('pod', 'error', pod.execForbidden, pod.node, pod.volumePending, pod.imagePull, pod.unscheduled),
  ...entries('pod', 'error', pod.evicted, pod.killed),
  ...entries('pod', 'error', self.refused),
  ...entries('worker', 'info', self.supervisorGone, self.podStops, self.booting),
  ...entries('worker', 'info', self.drained, self.switchedOff),
  ...entries('worker', 'error', self.loopDead, self.loopRefuses),
  ...entries('work', 'error', work.repairsGivenUp, work.requeuesGivenUp, work.blocked),
  ...entries('worker', 'error', self.accountHeld),
  ...entries('worker', 'warning', self.partsFailed, self.phasesFailed, self.diskFull, self.podNotReady),
  ...entries('pod', 'error', pod.docker, pod.mtu),
  ...entries('pod', 'warning', pod.disks),
  ...entries('worker', 'error', self.tmuxGone),
  ...entries('work', 'error', work.interrupted, work.sessionGone),
  ...entries('work', 'warning', work.paneWaits, work.humanDriven),
  ...entries('work', 'error', work.agentEnded, work.silent),
  ...entries('work', 'warning', work.rateLimited, work.rowBehind, work.numberUsedTwice),
  ...entries('work', 'warning', work.dependencyFailed, work.rowSkipped),
  ...entries('work', 'info', work.rowFailed),
  ...entries('work', 'warning', work.loopWaits),
  // What has passed, and may have caused the rest.
  ...entries('pod', 'warning', pod.killedInside),
  ...entries('pod', 'info', pod.killedBefore, pod.evictedBefore),
];

/** What Kubernetes warns of besides says something only beside findings. */
const BESIDE: readonly Entry[] = entries('pod', 'info', pod.warned);
const LAST: readonly Entry[] = entries('pod', 'info', pod.unreadable);

/** Findings, and the word for a worker that has them. */
export interface Assessment {
  readonly status: Status;
  readonly problems: readonly Finding[];
}

/**
 * Asks every rule for which there are facts.
 *
 * @param scopes of the rules to ask
 */
export function judge(facts: Facts, scopes: readonly Scope[] = ['pod', 'worker', 'work']): Assessment {
  const ask = (book: readonly Entry[]) =>
    book
      .filter(({ scope }) => scopes.includes(scope))
      .flatMap(({ severity, rule }) =>
        rule(facts).map((found): Finding => ({ severity, evidence: [], status: null, ...found })),
      );
  const found = ask(BOOK);
  const all = [...found, ...(found.length > 0 ? ask(BESIDE) : []), ...ask(LAST)];
  // What kept us out (`pending`, `forbidden`) is only the sign of what the rules before it have explained.
  const sign = facts.refusal === null ? -1 : all.findIndex(({ id }) => id === facts.refusal?.id);
  return {
    status: facts.refusal?.status ?? all.find(({ status }) => status !== null)?.status ?? 'running',
    problems: sign > 0 ? all.filter((_, index) => index !== sign) : all,
  };
}

/**
 * Judges what a probe has found in a worker.
 *
 * @param pod null for a local worker
 */
export function assess(
  worker: WorkerEntry,
  pod: PodFacts | null,
  snapshot: Snapshot,
  command: CommandLine,
): Assessment {
  return judge({ ...NOT_ASKED, worker, pod, refusal: null, snapshot, command });
}

/**
 * How severe it is that a worker is so: with `info` it is wanted, or passes.
 *
 * @param pod one that ended by itself (evicted, say) is there still; one that was scaled away is not
 */
export function severityOf(status: Status, pod: PodFacts | null = null): Severity {
  return PASSING.includes(status) && !(status === 'stopped' && pod !== null) ? 'info' : 'error';
}

const PASSING: readonly Status[] = ['running', 'starting', 'draining', 'drained', 'stopped', 'pending'];

/** The stable form for programs. */
export function problemJson({ id, severity, cause, next }: Finding): Problem & { severity: Severity } {
  return { id, severity, cause, next };
}
