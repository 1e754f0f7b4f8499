/** The tmux sessions of a worker, as people and `factory` name them. */
import { CliError, ExitCode } from '../cli/errors.ts';
import { age, nearest } from '../cli/text.ts';
import { BOOT_SESSION, ORCHESTRATOR_SESSION } from '../contract.ts';
import { wholeNumber } from '../read-contract.ts';

export interface Session {
  readonly name: string;
  /** What `factory` made it for; null for the orchestrator and for sessions of other origin. */
  readonly stage: StageName | null;
  readonly createdAt: number;
  /** Time of the last output, in seconds since 1970 by the worker's clock. */
  readonly activityAt: number;
  readonly attached: number;
  /** Exit code of the program whose pane is kept after its end, where tmux has it; null while it runs. */
  readonly exited: number | 'unknown' | null;
}

export interface StageName {
  readonly issue: number;
  readonly stage: string;
  readonly attempt: number;
}

/** How long after its last output a session still counts as active. */
const ACTIVE_SECONDS = 60;

/** A worker has a handful; what is beyond this is not listed. */
export const MOST_SESSIONS = 1_000;
const LONGEST_NAME = 256;

/**
 * @param text lines of the function `sessions` in scripts/remote/worker.sh, one for each window; fields parted by tabs
 * @param note hears when not all of them are listed
 * @throws ContractError when a line is not one of tmux
 */
export function parseSessions(text: string, note: (sentence: string) => void = () => {}): Session[] {
  const sessions = new Map<string, Session>();
  for (const line of text.split('\n')) {
    const [name, activity, created, attached, dead, exitCode] = line.split('\t');
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
    sessions.set(name, {
      name,
      stage: parseStageName(name),
      createdAt: number(created),
      activityAt: Math.max(number(activity), known?.activityAt ?? 0),
      attached: number(attached),
      exited: dead === '1' ? parseExit(exitCode) : null,
    });
  }
  return [...sessions.values()];
}

/** A signal gives no code; and tmux may know it late (tmux/tmux#4841) or never (seen with 3.3a, one pane in ten or so). */
function parseExit(code: string | undefined): number | 'unknown' {
  return code ? number(code) : 'unknown';
}

/** Of at most eleven digits: seconds up to the year 5138, which every Date can hold. */
function number(text: string | undefined): number {
  return wholeNumber(text, 'tmux gave a table that is not the one it was asked for', 11);
}

/** `23-qa-1`, or `23-qa-1-fix-2` for a fix round, as `factory` names its sessions. */
export function parseStageName(name: string): StageName | null {
  const match = /^(\d{1,9})-(.+?)-(\d{1,9})(?:-fix-\d+)?$/.exec(name);
  if (match === null) return null;
  return { issue: Number(match[1]), stage: match[2] ?? '', attempt: Number(match[3]) };
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

/** The sessions people work with: the orchestrator first, then the stages; the boot only while it is all there is. */
export function workSessions(sessions: readonly Session[]): Session[] {
  const work = sessions.filter(({ name }) => name !== BOOT_SESSION);
  const rank = ({ name, stage }: Session) => (name === ORCHESTRATOR_SESSION ? 0 : stage ? 1 : 2);
  return (work.length > 0 ? work : [...sessions]).sort(
    (a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt || a.name.localeCompare(b.name),
  );
}

/** Short names for a table: the stage where only one session has it, else the full name. */
export function shortNames(sessions: readonly Session[]): string[] {
  const stages = sessions.map(({ stage }) => stage?.stage);
  return sessions.map(({ name, stage }) => {
    const unique = stage !== null && stages.filter((other) => other === stage.stage).length === 1;
    return unique && !sessions.some((other) => other.name === stage.stage) ? stage.stage : name;
  });
}

/**
 * The session a person means: the one of exactly that name, else the only one of that stage.
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

/** Names in a hint; more of them would hide the sentence above. */
function someOf(names: readonly string[], most = 12): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The sessions as people choose among them, numbered: `  2. qa-review  (active - last output 30s ago)`. */
export function renderSessions(sessions: readonly Session[], now: number): string {
  const width = Math.max(0, ...sessions.map(({ name }) => name.length));
  const lines = sessions.map(
    (session, index) => `  ${index + 1}. ${session.name.padEnd(width)}  (${describeSession(session, now)})\n`,
  );
  return `Available sessions:\n${lines.join('')}`;
}
