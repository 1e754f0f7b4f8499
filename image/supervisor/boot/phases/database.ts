/** Phase `database`: a worker with PostgreSQL has it before any session, whose programs inherit its URL. */
import type { WorkerDatabase } from '../../database/database.ts';
import type { Phase } from '../run.ts';

export const DATABASE_PHASE = 'database';

export function databasePhase(database: Pick<WorkerDatabase, 'start'>): Phase {
  return {
    name: DATABASE_PHASE,
    after: ['checks'],
    // A first start takes seconds, one after a crash as long as the WAL is.
    timeoutMs: 60_000,
    gates: true,
    // Once: a start that fails is retried in the background, and tmux does not wait for it.
    retryMs: null,
    run: (signal) => database.start(signal),
  };
}
