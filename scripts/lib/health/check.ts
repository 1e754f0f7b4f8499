/** What `doctor` finds: one sentence about one thing, and what to type when it is not as it should be. */

/**
 * - `ok` as it should be
 * - `warn` works, but something will be missed or go wrong later
 * - `fail` does not work
 * - `off` not wanted here, so that it was not looked at
 * - `unknown` could not be looked at; the reason says why
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
  /** Does the first line of `fix`, where that can harm nothing: for `--fix`. */
  readonly repair?: () => Promise<void>;
}

/** The findings of one place: the laptop, a namespace of a cluster, a worker. */
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

/** Whether a section has something that does not work. */
export function isSick({ findings }: Section): boolean {
  return findings.some(({ state }) => state === 'fail');
}
