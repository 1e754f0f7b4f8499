/** The observed facts that rules judge, and the form of their findings. */
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import { setValueCommand } from '../helm/set-value.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import type { PodFacts } from '../transport/pods.ts';
import type { Disk } from '../worker/disk.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import type { CommandLine, Problem, Status } from '../worker/status.ts';
import type { ClusterFacts } from './cluster.ts';
import type { Docker, Inside, PaneView } from './inside.ts';

/** Everything a rule may look at. What a command did not ask for is null, and the rules about it then find nothing. */
export interface Facts {
  readonly worker: WorkerEntry;
  /** Null for a local worker, and when there is no pod. */
  readonly pod: PodFacts | null;
  /** Why the worker could not be entered; null when it was. */
  readonly refusal: Finding | null;
  /** What a probe found; null when the worker could not be entered. */
  readonly snapshot: Snapshot | null;
  readonly panes: readonly PaneView[] | null;
  /** Null also when Docker is off, or the worker has none of its own. */
  readonly docker: Docker | null;
  /** All disks except the state volume, which is in the snapshot. */
  readonly disks: readonly Disk[] | null;
  /** What `why` reads in addition. */
  readonly inside: Inside | null;
  /** Null for a local worker. */
  readonly cluster: ClusterFacts | null;
  readonly command: CommandLine;
}

/**
 * - `error` something does not work, or work stands still
 * - `warning` works, but something will be missed or go wrong later
 * - `info` wanted, or passes without help, or has passed
 */
export type Severity = 'error' | 'warning' | 'info';

/** A cause, its evidence, and what to type. */
export interface Finding extends Problem {
  readonly severity: Severity;
  /** Lines in the words of the programs. */
  readonly evidence: readonly string[];
  /** The word it gives the STATUS column; null when it does not change it. */
  readonly status: Status | null;
}

/** What a rule finds. The book sets the severity, unless the rule does. */
export interface Found extends Problem {
  readonly severity?: Severity;
  readonly evidence?: readonly string[];
  readonly status?: Status | null;
}

export type Rule = (facts: Facts) => readonly Found[];

/** Facts of a worker that was probed. */
export interface ProbedFacts extends Facts {
  readonly snapshot: Snapshot;
}

/** A rule that finds nothing in a worker that could not be entered. */
export function whenProbed(rule: (facts: ProbedFacts) => readonly Found[]): Rule {
  return (facts) => (facts.snapshot === null ? [] : rule({ ...facts, snapshot: facts.snapshot }));
}

/** Facts of a worker that was examined beyond a probe. */
export interface EnteredFacts extends ProbedFacts {
  readonly inside: Inside;
}

/** A rule that needs more than a probe. */
export function whenEntered(rule: (facts: EnteredFacts) => readonly Found[]): Rule {
  return whenProbed((facts) => (facts.inside === null ? [] : rule({ ...facts, inside: facts.inside })));
}

/** Adds the command that sets a chart value to a hint; a local worker has no chart. */
export function withValue(words: string, worker: WorkerEntry, assignment: string): string {
  return worker.runtime === 'local' ? words : `${words}: ${setValueCommand(worker, assignment)}`;
}

/** What to do about a claim that does not exist: the chart has made it, unless the values name one of the operator's. */
export function missingClaim(worker: ClusterWorker, claim: string, command: CommandLine): string {
  return claim === `${worker.pod}-data`
    ? `create the claim ${claim} anew, empty: ${command('provision', worker.name)}`
    : withValue(`create the claim ${claim}, or name another`, worker, 'persistence.existingClaim=CLAIM');
}

/** Facts of a worker in a cluster. */
export interface InClusterFacts extends Facts {
  readonly worker: ClusterWorker;
  readonly cluster: ClusterFacts;
  /** A kubectl command to paste, in the worker's namespace. */
  readonly kubectl: (...words: string[]) => string;
}

/** A rule that finds nothing in a local worker. */
export function whenInCluster(rule: (facts: InClusterFacts) => readonly Found[]): Rule {
  return (facts) => {
    const { worker, cluster } = facts;
    if (worker.runtime === 'local' || cluster === null) return [];
    const kubectl = (...words: string[]) => kubectlInNamespace(worker, ...words);
    return rule({ ...facts, worker, cluster, kubectl });
  };
}

/** The facts that a probe alone does not give. */
export const NOT_ASKED = { panes: null, docker: null, disks: null, inside: null, cluster: null } as const;
