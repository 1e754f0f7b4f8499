/**
 * The report that is made by the rules: findings, and the word of the STATUS column. `list`, `status` and `watch` ask those that need
 * no more than a probe; `why` and `doctor` ask the whole book (book.ts), so that a list does not load it. Pure.
 */
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { PodFacts } from '../transport/pods.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import type { CommandLine, Problem, Status } from '../worker/status.ts';
import { type Facts, type Finding, NOT_ASKED, type Rule, type Severity } from './facts.ts';
import * as probe from './probe-rules.ts';

/** A rule of the book. */
export interface Entry {
  /** Of what the rule finds, unless it says otherwise. */
  readonly severity: Severity;
  readonly rule: Rule;
  /** Whether it says something only besides other findings. */
  readonly besides?: boolean;
}

export const entries = (severity: Severity, ...rules: readonly Rule[]): Entry[] =>
  rules.map((rule) => ({ severity, rule }));

/** What needs no more than a probe; its order is that of the STATUS column, where the first finding with a status decides. */
export const PROBE_BOOK: readonly Entry[] = [
  ...entries('error', probe.refused),
  ...entries('info', probe.supervisorGone, probe.podStops, probe.booting),
  ...entries('info', probe.drained, probe.switchedOff),
  ...entries('error', probe.loopDead, probe.loopRefuses),
  ...entries('error', probe.repairsGivenUp, probe.requeuesGivenUp, probe.blocked),
  ...entries('error', probe.accountHeld, probe.mainCheckouts),
  ...entries('warning', probe.partsFailed, probe.phasesFailed, probe.diskFull, probe.podNotReady),
  ...entries('error', probe.silent),
  ...entries('warning', probe.dependencyFailed, probe.rowSkipped),
];

/** Findings, and the word for a worker that has them. */
export interface Assessment {
  readonly status: Status;
  readonly problems: readonly Finding[];
}

/**
 * Asks every rule for which there are facts.
 *
 * @param book the rules, in the order in which their findings are read
 */
export function judge(facts: Facts, book: readonly Entry[]): Assessment {
  const all: Finding[] = [];
  for (const { severity, rule, besides = false } of book) {
    if (besides && all.length === 0) continue;
    for (const found of rule(facts)) all.push({ severity, evidence: [], status: null, ...found });
  }
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
  return judge({ ...NOT_ASKED, worker, pod, refusal: null, snapshot, command }, PROBE_BOOK);
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
