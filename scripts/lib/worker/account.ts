/** A worker whose claude account does not work: what waits for it, and what to do. Pure. */
import { describeHold } from '../account.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { AccountCause, AccountHold } from '../contract.ts';
import type { Pipeline } from '../factory.ts';
import type { Snapshot } from './snapshot.ts';
import type { CommandLine, Problem } from './status.ts';

/** Null when no problem with the account is known. */
export function accountHold({ heartbeat }: Pick<Snapshot, 'heartbeat'>): AccountHold | null {
  return heartbeat?.account ?? null;
}

/** Whether a stage failed because of the account, and is retried automatically. */
export function waitsForAccount(
  snapshot: Pick<Snapshot, 'heartbeat'>,
  { session, issue, stage, attempt }: Pick<Pipeline, 'session' | 'issue' | 'stage' | 'attempt'>,
): boolean {
  const own = session || `${issue}-${stage}-${attempt}`;
  // tmux has no dots and colons in its names.
  return accountHold(snapshot)?.sessions.includes(own.replaceAll(/[.:]/g, '_')) ?? false;
}

/** Whether a stage needs the operator: one that waits for the account does not. */
export function isBlocked(snapshot: Pick<Snapshot, 'heartbeat'>, pipeline: Pipeline): boolean {
  return pipeline.status === 'blocked' && !waitsForAccount(snapshot, pipeline);
}

export function describeAccount(hold: AccountHold, worker: WorkerEntry, command: CommandLine): Problem {
  const token =
    worker.runtime === 'local'
      ? `log its claude in, with HOME=${worker.home}/home`
      : `give it a token that works: ${command('rotate', worker.name)}`;
  const cures: Readonly<Record<AccountCause, readonly string[]>> = {
    'token-missing': [token],
    'token-refused': [token],
    disabled: [token],
    limit: [
      `nothing has to be done: it goes on by itself${worker.runtime === 'local' ? '' : `, or at once with the token of another account: ${command('rotate', worker.name)}`}`,
    ],
    'no-credit': ['add credit to the account: it goes on by itself within the hour'],
    unheard: [
      `what its pane showed: ${command('logs', worker.name, hold.sessions.at(-1) ?? 'orchestrator')}`,
    ],
    unreachable: [`what claude said: ${command('logs', worker.name, 'orchestrator')}`],
  };
  return {
    id: 'account-held',
    cause: describeHold(hold),
    next: Object.hasOwn(cures, hold.cause) ? cures[hold.cause as AccountCause] : [],
  };
}
