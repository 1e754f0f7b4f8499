/** The checks of `doctor`: one sentence about one thing, and what to type when it is not ok. */

/**
 * - `ok` works
 * - `warn` works, but something will be missed or go wrong later
 * - `fail` does not work
 * - `off` not wanted here, so it was not checked
 * - `unknown` could not be checked; the reason says why
 */
export type State = 'ok' | 'warn' | 'fail' | 'off' | 'unknown';

export interface Check {
  /** Stable, for programs: `kubectl`, `pod-security`. */
  readonly id: string;
  readonly state: State;
  /** What was measured or seen, in one sentence. */
  readonly reason: string;
  /** What to type; one line each, empty when there is nothing to do. */
  readonly fix: readonly string[];
  /** Does what the first line of `fix` says, if that is safe: for `--fix`. */
  readonly repair?: () => Promise<void>;
}

/** The checks of one place: the laptop, a namespace of a cluster, a worker. */
export interface Section {
  readonly where: string;
  readonly findings: readonly Check[];
}

export const found = (
  id: string,
  state: State,
  reason: string,
  fix: readonly string[] = [],
  repair?: () => Promise<void>,
): Check => ({ id, state, reason, fix, ...(repair ? { repair } : {}) });

/** Whether a check of the section has failed. */
export function isSick({ findings }: Section): boolean {
  return findings.some(({ state }) => state === 'fail');
}
