/** What the rules go by: facts, as they were observed, and the form of what a rule finds in them. */
import type { ClusterWorker, WorkerEntry } from '../config/worker-entry.ts';
import { setValueCommand } from '../helm/set-value.ts';
import { kubectlInNamespace } from '../transport/kubectl-errors.ts';
import type { PodFacts } from '../transport/pods.ts';
import type { Disk } from '../worker/disk.ts';
import type { Snapshot } from '../worker/snapshot.ts';
import type { CommandLine, Problem, Status } from '../worker/status.ts';
import type { ClusterFacts } from './cluster.ts';
import type { Docker, Inside, PaneView } from './inside.ts';

/** Everything a rule may look at. What a command has not asked for is null, and then the rules about it say nothing. */
export interface Facts {
  readonly worker: WorkerEntry;
  /** Null for a worker on this machine, and where there is none. */
  readonly pod: PodFacts | null;
  /** Why the worker could not be entered; null when it was. */
  readonly refusal: Finding | null;
  /** What a probe found; null when the worker could not be entered. */
  readonly snapshot: Snapshot | null;
  readonly panes: readonly PaneView[] | null;
  /** Null also for a worker that wants none, or has none of its own. */
  readonly docker: Docker | null;
  /** Disks other than that of the state, which is in the snapshot. */
  readonly disks: readonly Disk[] | null;
  /** What `why` looks at besides. */
  readonly inside: Inside | null;
  /** Null for a worker on this machine. */
  readonly cluster: ClusterFacts | null;
  readonly command: CommandLine;
}

/**
 * - `error` something does not work, or work stands still
 * - `warning` works, but something will be missed or go wrong later
 * - `info` wanted, or passes by itself, or has passed
 */
export type Severity = 'error' | 'warning' | 'info';

/** A cause, what it was seen by, and what to type. */
export interface Finding extends Problem {
  readonly severity: Severity;
  /** Lines as programs said them. */
  readonly evidence: readonly string[];
  /** The word of the STATUS column for it; null when it changes none. */
  readonly status: Status | null;
}

/** What a rule finds; the book says how severe that is, unless the rule knows better. */
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

/** A rule that has nothing to say about a worker that could not be entered. */
export function whenProbed(rule: (facts: ProbedFacts) => readonly Found[]): Rule {
  return (facts) => (facts.snapshot === null ? [] : rule({ ...facts, snapshot: facts.snapshot }));
}

/** Facts of a worker into which somebody has looked longer than a probe does. */
export interface EnteredFacts extends ProbedFacts {
  readonly inside: Inside;
}

/** A rule that needs more than a probe. */
export function whenEntered(rule: (facts: EnteredFacts) => readonly Found[]): Rule {
  return whenProbed((facts) => (facts.inside === null ? [] : rule({ ...facts, inside: facts.inside })));
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
export function whenInCluster(rule: (facts: InClusterFacts) => readonly Found[]): Rule {
  return (facts) => {
    const { worker, cluster } = facts;
    if (worker.runtime === 'local' || cluster === null) return [];
    const kubectl = (...words: string[]) => kubectlInNamespace(worker, ...words);
    return rule({ ...facts, worker, cluster, kubectl });
  };
}

/** What a probe alone does not tell. */
export const NOT_ASKED = { panes: null, docker: null, disks: null, inside: null, cluster: null } as const;
