/**
 * Runs the rules and reports their findings and the word of the STATUS column. `list`, `status` and `watch` run the rules that
 * need only a probe; `why` and `doctor` run the whole book (book.ts), which `list` therefore does not load. Pure.
 */
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { PodFacts } from '../transport/pods.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import type { CommandLine, Problem, Status } from '../worker/status.ts';
import { type Facts, type Finding, NOT_ASKED, type Rule, type Severity } from './facts.ts';
import * as probe from './probe-rules.ts';

/** A rule of the book. */
export interface Entry {
  /** Of its findings, unless the rule sets another. */
  readonly severity: Severity;
  readonly rule: Rule;
  /** Whether it runs only when there are other findings. */
  readonly besides?: boolean;
}

export const entries = (severity: Severity, ...rules: readonly Rule[]): Entry[] =>
  rules.map((rule) => ({ severity, rule }));

/** The rules that need only a probe. The first finding with a status decides the STATUS column. */
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
 * Runs every rule.
 *
 * @param book the rules, in the order of their findings in the report
 */
export function judge(facts: Facts, book: readonly Entry[]): Assessment {
  const all: Finding[] = [];
  for (const { severity, rule, besides = false } of book) {
    if (besides && all.length === 0) continue;
    for (const found of rule(facts)) all.push({ severity, evidence: [], status: null, ...found });
  }
  // What kept us out (`pending`, `forbidden`) is only a symptom of what earlier rules have explained.
  const sign = facts.refusal === null ? -1 : all.findIndex(({ id }) => id === facts.refusal?.id);
  return {
    status: facts.refusal?.status ?? all.find(({ status }) => status !== null)?.status ?? 'running',
    problems: sign > 0 ? all.filter((_, index) => index !== sign) : all,
  };
}

/**
 * Judges what a probe found in a worker.
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
 * The severity of a status; `info`: it is wanted, or passes.
 *
 * @param pod still there when it ended on its own (evicted, for example), but not when it was scaled down
 */
export function severityOf(status: Status, pod: PodFacts | null = null): Severity {
  return PASSING.includes(status) && !(status === 'stopped' && pod !== null) ? 'info' : 'error';
}

const PASSING: readonly Status[] = ['running', 'starting', 'draining', 'drained', 'stopped', 'pending'];

/** A problem as JSON: the stable form for programs. */
export function problemJson({ id, severity, cause, next }: Finding): Problem & { severity: Severity } {
  return { id, severity, cause, next };
}
