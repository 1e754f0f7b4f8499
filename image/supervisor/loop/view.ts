/** What the loop sees when it decides: of the worker, of `factory`'s store, and of its own records. */
import type {
  AccountHold,
  CheckInAction,
  ClaudeFailure,
  Database,
  DispatchRecord,
  Repair,
  Settings,
  TakenRow,
} from '../../../scripts/lib/contract.ts';
import type { Dialect, Pipeline, QueueRow } from '../../../scripts/lib/factory.ts';
import type { Clone } from '../clones/clones.ts';
import type { TmuxSession } from '../effects/effects.ts';
import type { LostIntent } from './intent.ts';
import type { InTheWay } from './leftovers.ts';
import type { OpenWork } from './open-work.ts';

/** What is observed without calling `factory`. */
export interface Standing {
  readonly settings: Settings;
  /** Why the worker is drained; null when it is not. */
  readonly drained: string | null;
  /** A check-in that an earlier supervisor started still holds the lock. */
  readonly checkInRunning: boolean;
  /** Programs that are missing in the panes or for the supervisor; null when none is. */
  readonly toolsMissing: string | null;
  /** Why no new work may be taken although nothing is missing (a full docker volume, say). */
  readonly obstacle: string | null;
  /** Why claude's account does not work; null when it does, as far as is known. */
  readonly account: AccountHold | null;
  /** Null when the program could not be asked; `toolsMissing` or `storeError` says why. */
  readonly dialect: Dialect | null;
  /** Where `factory` keeps its state. */
  readonly database: Database;
  readonly clones: readonly Clone[];
}

/** What `factory` and tmux say. */
export interface Store {
  readonly pipelines: readonly Pipeline[];
  readonly rows: readonly QueueRow[];
  readonly sessions: readonly TmuxSession[];
}

export interface View extends Standing {
  /** A string: why the store could not be read. */
  readonly store: Store | string;
  readonly dispatches: readonly DispatchRecord[];
  readonly repairs: readonly Repair[];
  /** Turns of claude that ended with an error. */
  readonly failures: readonly ClaudeFailure[];
  /** The rows that were taken from the queue, whose issues have not ended. */
  readonly taken: readonly TakenRow[];
  /** What keeps an issue of theirs from starting and must not be removed by us, by its number. */
  readonly inTheWay: ReadonlyMap<number, InTheWay>;
  /** Issues whose text is missing: they would be worked on without it. */
  readonly withoutText: readonly number[];
  readonly lostIntents: readonly LostIntent[];
  /** Null before the first check-in. */
  readonly lastCheckIn: LastCheckIn | null;
  /** Work of the program besides its queue. */
  readonly openWork: readonly OpenWork[];
  readonly reposDir: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface LastCheckIn {
  /** RFC 3339; null while it runs. */
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly actions: readonly CheckInAction[];
}

/** Where `factory` is called: in the directory of a project. */
export interface Place {
  readonly project: string;
  readonly directory: string;
}
