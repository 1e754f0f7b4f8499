/** The tmux sessions of a worker, as the operator and `factory` name them. */
import { CliError, ExitCode } from '../cli/errors.ts';
import { age, nearest } from '../cli/text.ts';
import { BOOT_SESSION, ORCHESTRATOR_SESSION } from '../contract.ts';
import { parseStageName, type StageName } from '../factory.ts';
import { wholeNumber } from '../read-contract.ts';

export { parseStageName, type StageName } from '../factory.ts';

export interface Session {
  readonly name: string;
  /** The stage that `factory` created it for; null for the orchestrator and all other sessions. */
  readonly stage: StageName | null;
  readonly createdAt: number;
  /** Time of the last output, in seconds since 1970 by the worker's clock. */
  readonly activityAt: number;
  readonly attached: number;
  /** Exit code of a program whose pane is kept after its end, if tmux knows it; null while it runs. */
  readonly exited: number | 'unknown' | null;
}

/** How long after its last output a session still counts as active. */
const ACTIVE_SECONDS = 60;

/** A worker has a handful; more than this are not listed. */
export const MOST_SESSIONS = 1_000;
const LONGEST_NAME = 256;

/**
 * @param text lines of the function `sessions` in scripts/remote/worker.sh, one per pane; fields separated by tabs
 * @param note called when not all of them are listed
 * @throws ContractError when tmux did not print a line
 */
export function parseSessions(text: string, note: (sentence: string) => void = () => {}): Session[] {
  const sessions = new Map<string, Session>();
  // A session ends with its first pane, the one with the lowest number: a person may have opened and closed others.
  const oldest = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, activity, created, attached, dead, exitCode, pane = '%0'] = line.split('\t');
    if (name === undefined || created === undefined) continue;
    if (name.length > LONGEST_NAME) {
      note(`one whose name has ${name.length} characters is not listed`);
      continue;
    }
    const known = sessions.get(name);
    if (known === undefined && sessions.size >= MOST_SESSIONS) {
      note(`there are more than ${MOST_SESSIONS}; the others are not listed`);
      break;
    }
    const paneNumber = number(pane.slice(1));
    const older = known !== undefined && (oldest.get(name) ?? 0) < paneNumber;
    if (!older) oldest.set(name, paneNumber);
    sessions.set(name, {
      name,
      stage: parseStageName(name),
      createdAt: number(created),
      activityAt: Math.max(number(activity), known?.activityAt ?? 0),
      attached: number(attached),
      exited: older ? known.exited : dead === '1' ? parseExit(exitCode) : null,
    });
  }
  return [...sessions.values()];
}

/** A signal has no exit code; and tmux may know a code late (tmux/tmux#4841) or never (seen with 3.3a, about one pane in ten). */
function parseExit(code: string | undefined): number | 'unknown' {
  return code ? number(code) : 'unknown';
}

/** At most eleven digits: seconds up to the year 5138, which every Date can hold. */
function number(text: string | undefined): number {
  return wholeNumber(text, 'tmux printed an unexpected table', 11);
}

/** `active - last output 30s ago`, `idle - …`, `exited with 1`, `exited`. */
export function describeSession(session: Session, now: number): string {
  if (session.exited === 'unknown') return 'exited';
  if (session.exited !== null) return `exited with ${session.exited}`;
  if (!isActive(session, now)) return `idle - last output ${age(now - session.activityAt)} ago`;
  return `active - last output ${age(now - session.activityAt)} ago`;
}

export function isActive(session: Session, now: number): boolean {
  return session.exited === null && now - session.activityAt < ACTIVE_SECONDS;
}

/** The sessions to work with: the orchestrator first, then the stages; `boot` only while it is the only one. */
export function workSessions(sessions: readonly Session[]): Session[] {
  const work = sessions.filter(({ name }) => name !== BOOT_SESSION);
  const rank = ({ name, stage }: Session) => (name === ORCHESTRATOR_SESSION ? 0 : stage ? 1 : 2);
  return (work.length > 0 ? work : [...sessions]).sort(
    (a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt || a.name.localeCompare(b.name),
  );
}

/** Short names for a table: the stage if only one session has it, otherwise the full name. */
export function shortNames(sessions: readonly Session[]): string[] {
  const stages = sessions.map(({ stage }) => stage?.stage);
  return sessions.map(({ name, stage }) => {
    const unique = stage !== null && stages.filter((other) => other === stage.stage).length === 1;
    return unique && !sessions.some((other) => other.name === stage.stage) ? stage.stage : name;
  });
}

/**
 * The session that the operator means: the one with exactly that name, otherwise the only one of that stage.
 *
 * Never a prefix: tmux itself would take `4` for `42-implement-1`.
 *
 * @throws CliError with the candidates, exit 2
 */
export function chooseSession(sessions: readonly Session[], wanted: string): Session {
  const exact = sessions.find(({ name }) => name === wanted);
  if (exact) return exact;
  const ofStage = sessions.filter(({ stage }) => stage?.stage === wanted);
  const [only] = ofStage;
  if (only !== undefined && ofStage.length === 1) return only;
  if (ofStage.length > 1) {
    throw new CliError(`several sessions are at stage ${wanted}`, {
      exitCode: ExitCode.usage,
      hints: [`give one of: ${someOf(ofStage.map(({ name }) => name))}`],
    });
  }
  const names = workSessions(sessions).map(({ name }) => name);
  const [near] = nearest(wanted, [...names, ...shortNames(workSessions(sessions))]);
  throw new CliError(`there is no session ${wanted}`, {
    exitCode: ExitCode.usage,
    hints: [
      ...(near === undefined ? [] : [`did you mean ${near}?`]),
      names.length === 0 ? 'the worker has no sessions now' : `sessions now: ${someOf(names)}`,
    ],
  });
}

/** Names for a hint; a longer list would hide the message above it. */
function someOf(names: readonly string[], most = 12): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The numbered list of sessions to choose from: `  2. qa-review  (active - last output 30s ago)`. */
export function renderSessions(sessions: readonly Session[], now: number): string {
  const width = Math.max(0, ...sessions.map(({ name }) => name.length));
  const lines = sessions.map(
    (session, index) => `  ${index + 1}. ${session.name.padEnd(width)}  (${describeSession(session, now)})\n`,
  );
  return `Available sessions:\n${lines.join('')}`;
}
