/** What a diagnosis is made of, and the making: every rule is asked, in the order in which causes are worth reading. */
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import { setValueCommand } from '../helm/set-value.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import type { CommandLine, Problem, Status } from '../worker/status.ts';
import type { ClusterFacts } from './cluster.ts';
import type { Inside } from './inside.ts';

/** Everything a rule may look at. */
export interface Facts {
  readonly worker: WorkerEntry;
  readonly status: Status;
  /** What `status` says as well. */
  readonly problems: readonly Problem[];
  /** Null, with `inside`, when the worker could not be entered. */
  readonly snapshot: Snapshot | null;
  readonly inside: Inside | null;
  /** Null for a worker on this machine. */
  readonly cluster: ClusterFacts | null;
  readonly command: CommandLine;
}

/** A cause, what it was seen by, and what to type. */
export interface Finding extends Problem {
  /** Lines as programs said them. */
  readonly evidence: readonly string[];
}

export type Rule = (facts: Facts) => readonly Finding[];

/** Facts of a worker that was entered. */
export interface EnteredFacts extends Facts {
  readonly snapshot: Snapshot;
  readonly inside: Inside;
}

/** A rule that has nothing to say about a worker that could not be entered. */
export function whenEntered(rule: (facts: EnteredFacts) => readonly Finding[]): Rule {
  return (facts) =>
    facts.snapshot === null || facts.inside === null
      ? []
      : rule({ ...facts, snapshot: facts.snapshot, inside: facts.inside });
}

/** Completes words that name a value of the chart with the command that sets it; a worker on this machine has no chart. */
export function withValue(words: string, worker: WorkerEntry, assignment: string): string {
  return worker.runtime === 'local' ? words : `${words}: ${setValueCommand(worker, assignment)}`;
}

/** Facts of a worker in a cluster. */
export interface InClusterFacts extends Facts {
  readonly worker: ClusterWorker;
  readonly cluster: ClusterFacts;
  /** A kubectl command to paste, in the worker's namespace. */
  readonly kubectl: (...words: string[]) => string;
}

/** A rule that has nothing to say about a worker on this machine. */
export function whenInCluster(rule: (facts: InClusterFacts) => readonly Finding[]): Rule {
  return (facts) => {
    const { worker, cluster } = facts;
    if (worker.runtime === 'local' || cluster === null) return [];
    const kubectl = (...words: string[]) => kubectlInNamespace(worker, ...words);
    return rule({ ...facts, worker, cluster, kubectl });
  };
}

/**
 * @param rules the first that names an id and cause is heard; the same from a later one adds nothing
 * @returns all findings, in the order of the rules
 */
export function diagnose(facts: Facts, rules: readonly Rule[]): Finding[] {
  const found = new Map<string, Finding>();
  for (const finding of rules.flatMap((rule) => rule(facts))) {
    const key = `${finding.id} ${finding.cause}`;
    if (!found.has(key)) found.set(key, finding);
  }
  const findings = [...found.values()];
  // What kept us out (`pending`, `forbidden`) is only the sign of what the rules before it have explained.
  const sign = findings.findIndex(({ id }) => facts.snapshot === null && id === facts.status);
  return sign > 0 ? findings.filter((_, index) => index !== sign) : findings;
}
