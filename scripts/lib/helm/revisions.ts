/** What Helm says of a release's revisions, parsed; and which of them a rollback may go to. Pure. */

import { readAnswer } from '../transport/read-answer.ts';
/** A revision of a release. */
export interface Revision {
  readonly revision: number;
  /** Helm's word: `deployed`, `superseded`, `failed`, `pending-install`, `pending-upgrade`, `pending-rollback` … */
  readonly status: string;
  /** RFC 3339, by the clock of the machine that ran Helm. */
  readonly updated: string;
  /** `factory-worker-0.1.0`; empty in what {@link parseStatus} reads. */
  readonly chart: string;
  readonly description: string;
}

/** @param json what `helm status NAME --output=json` printed */
export function parseStatus(json: string): Revision {
  const { version, info } = readAnswer<{
    readonly version: number;
    readonly info: {
      readonly status: string;
      readonly last_deployed?: string;
      readonly description?: string;
    };
  }>('helm-status', 'its release', json);
  return {
    revision: version,
    status: info.status,
    updated: info.last_deployed ?? '',
    chart: '',
    description: info.description ?? '',
  };
}

/** @param json what `helm history NAME --output=json` printed */
export function parseHistory(json: string): Revision[] {
  const rows = readAnswer<readonly Partial<Revision>[]>('helm-history', 'its release', json);
  return rows
    .map(({ revision = 0, status = '', updated = '', chart = '', description = '' }) => ({
      revision,
      status,
      updated,
      chart,
      description,
    }))
    .sort((a, b) => a.revision - b.revision);
}

/**
 * Whether a Helm is at work on the release, or was killed in the middle: no upgrade is taken until it is settled by a
 * rollback ("another operation is in progress").
 */
export function isPending({ status }: Revision): boolean {
  return status.startsWith('pending-');
}

/**
 * The newest revision that is, or was, in effect: where to go back to after one that was left half done.
 *
 * @returns null when there is none, as after a first installation that was killed
 */
export function lastDeployed(history: readonly Revision[]): Revision | null {
  return (
    history.findLast(({ status }) => status === 'deployed') ??
    history.findLast(({ status }) => status === 'superseded') ??
    null
  );
}
