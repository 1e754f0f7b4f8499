/** Observes everything that the loop bases its decisions on. */
import { join } from 'node:path';
import { type Database, FILES, type Heartbeat, type Settings } from '../../../scripts/lib/contract.ts';
import { readContract, readJsonLines } from '../../../scripts/lib/read-contract.ts';
import type { Account } from '../account/account.ts';
import type { Clones } from '../clones/clones.ts';
import type { Effects } from '../effects/effects.ts';
import { isHeld } from '../effects/locks.ts';
import type { Environment } from '../environment.ts';
import { drainReason } from './drain.ts';
import type { Factory } from './factory.ts';
import { lostIntents } from './intent.ts';
import { withoutText } from './issue-text.ts';
import { findLeftovers, type InTheWay } from './leftovers.ts';
import { openWork } from './open-work.ts';
import { fateOfRow, readTaken } from './taken.ts';
import { placeOf, planWithoutStore } from './tick.ts';
import type { Standing, View } from './view.ts';

/** What is observed besides files and locks. */
export interface Sources {
  readonly settings: () => Settings;
  readonly clones: Pick<Clones, 'look'>;
  readonly factory: Factory;
  /** Programs that are missing in the panes or for the supervisor; null when none is. */
  readonly toolsMissing: () => Promise<string | null>;
  /** Why no work may be taken now; null when it may. */
  readonly obstacle: () => string | null;
  readonly account: Pick<Account, 'hold' | 'failures'>;
  readonly database: () => Database;
}

/** @returns observes everything; the store only when something depends on it */
export function createObserver(
  { dirs, home, paths }: Environment,
  { clock, files, processes }: Effects,
  { settings, clones, factory, toolsMissing, obstacle, account, database }: Sources,
): () => Promise<View> {
  /** Only for rows that were taken and not begun. */
  const lookInTheWay = async (
    view: Omit<View, 'inTheWay' | 'withoutText' | 'lostIntents'>,
  ): Promise<ReadonlyMap<number, InTheWay>> => {
    const { store, taken } = view;
    const found = new Map<number, InTheWay>();
    if (typeof store === 'string') return found;
    for (const row of taken) {
      const { issue } = row;
      const place = placeOf(issue, view, store);
      if (fateOfRow(row, store) !== 'not-begun' || typeof place === 'string') continue;
      const { directory } = place;
      const { stays } = await findLeftovers({ files, processes }, { home, directory, issue });
      if (stays !== null) found.set(issue, stays);
    }
    return found;
  };

  return async () => {
    const missing = await toolsMissing();
    const standing: Standing = {
      settings: settings(),
      drained: drainReason(files.read(paths.drain)),
      checkInRunning: await isHeld(processes, paths.checkInLock),
      toolsMissing: missing,
      obstacle: obstacle(),
      account: account.hold(),
      dialect: missing === null ? await factory.dialect() : null,
      database: database(),
      clones: clones.look(),
    };
    const ready = standing.clones.find(({ state }) => state === 'ready');
    const decided = planWithoutStore(standing) !== null || ready === undefined;
    const view = {
      ...standing,
      store: decided ? 'not asked' : await factory.store(ready.directory),
      dispatches: readJsonLines('dispatch', FILES.dispatches, files.read(paths.dispatches) ?? ''),
      repairs: readJsonLines('repair', FILES.repairs, files.read(paths.repairs) ?? ''),
      failures: account.failures(),
      taken: readTaken(files.read(paths.taken)),
      lastCheckIn: readHeartbeat(files.read(paths.heartbeat)),
      openWork: standing.dialect?.name === 'B' ? openWork(join(home, '.factory'), files) : [],
      reposDir: dirs.WORKER_REPOS_DIR,
      now: clock.now(),
    };
    return {
      ...view,
      inTheWay: await lookInTheWay(view),
      lostIntents: typeof view.store === 'string' ? [] : lostIntents(files, home, view.store),
      withoutText: typeof view.store === 'string' ? [] : withoutText({ files }, home, view.store.pipelines),
    };
  };
}

/** @returns null when there is no valid one */
export function readHeartbeat(text: string | null): Heartbeat | null {
  try {
    return text === null ? null : readContract('heartbeat', FILES.heartbeat, text);
  } catch {
    return null;
  }
}
