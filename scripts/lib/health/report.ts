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
  /**
   * Whether its errors are read first, because they cause others. The STATUS column is decided in the book's order all the
   * same.
   */
  readonly first?: boolean;
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
  ...entries('error', probe.loopDead, probe.databaseGone, probe.loopRefuses),
  ...entries('error', probe.repairsGivenUp, probe.requeuesGivenUp, probe.blocked),
  ...entries('error', probe.accountHeld, probe.mainCheckouts),
  ...entries('warning', probe.partsFailed, probe.phasesFailed),
  { severity: 'warning', rule: probe.diskFull, first: true },
  ...entries('warning', probe.podNotReady),
  ...entries('error', probe.asks, probe.silent),
  ...entries('warning', probe.dependencyFailed, probe.rowSkipped),
];

/** Findings, and the word for a worker that has them. */
export interface Assessment {
  readonly status: Status;
  readonly problems: readonly Finding[];
}

/** Findings of one rule: more than these say nothing new, and a worker that lies could fill the screen with them. */
const MOST_FINDINGS = 100;
/** Characters of a line. A command to type next is longer than any other line, and still far shorter. */
const LONGEST_LINE = 2_000;

const short = (line: string) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}…` : line);

/** The findings of a rule as they are reported: not too many, and no line of them too long. */
function findingsOf({ rule, severity }: Entry, facts: Facts): Finding[] {
  const found = rule(facts);
  return found.slice(0, MOST_FINDINGS).map((one, index) => {
    const left = found.length - MOST_FINDINGS;
    const evidence = [...(one.evidence ?? [])];
    if (index === MOST_FINDINGS - 1 && left > 0) evidence.push(`and ${left} more like this one`);
    return {
      severity,
      status: null,
      ...one,
      cause: short(one.cause),
      evidence: evidence.map(short),
      next: one.next.map(short),
    };
  });
}

/**
 * Runs every rule.
 *
 * @param book the rules, in the order of their findings in the report
 */
export function judge(facts: Facts, book: readonly Entry[]): Assessment {
  const all: Finding[] = [];
  const first = new Set<Finding>();
  for (const entry of book) {
    if (entry.besides === true && all.length === 0) continue;
    for (const finding of findingsOf(entry, facts)) {
      all.push(finding);
      if (entry.first === true && finding.severity === 'error') first.add(finding);
    }
  }
  // What kept us out (`pending`, `forbidden`) is only a symptom of what earlier rules have explained.
  const sign = facts.refusal === null ? -1 : all.findIndex(({ id }) => id === facts.refusal?.id);
  return {
    status: facts.refusal?.status ?? all.find(({ status }) => status !== null)?.status ?? 'running',
    problems: [...first, ...all.filter((finding) => !first.has(finding))].filter(
      (finding) => sign <= 0 || finding !== all[sign],
    ),
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
