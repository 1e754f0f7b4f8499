/** One run of `factory` that may take half an hour: under the check-in lock, detached, into files. */
import { constants } from 'node:os';
import type { CheckInAction } from '../../../scripts/lib/contract.ts';
import { parseActions, parseError } from '../../../scripts/lib/factory.ts';
import type { Argv, Effects, Files } from '../effects/effects.ts';
import { LOCK_BUSY, underLock } from '../effects/locks.ts';
import type { Environment } from '../environment.ts';
import { messageOf } from '../util/errors.ts';

/** Rotated between runs; one previous file is kept. */
const LOG_LIMIT_BYTES = 5 * 1024 * 1024;
const COMPLAINT_BYTES = 16 * 1024;
/** Long enough to outlast a probe of the lock by another process; a running check-in is adopted instead. */
const LOCK_SECONDS = 5;

/** Progress lines of the program. */
const PROGRESS = /^ {2}→ .*\n?/gm;

export interface Outcome {
  /** Another process took the lock first: nothing was run. */
  readonly busy: boolean;
  readonly actions: readonly CheckInAction[];
  /** What went wrong, in the program's own words; null when nothing did. */
  readonly error: string | null;
}

export function checkIn(environment: Environment, effects: Effects, directory: string): Promise<Outcome> {
  return runUnderLock(
    environment,
    effects,
    ['factory', 'orchestrator', 'check-in', '--format', 'json'],
    directory,
    parseActions,
  );
}

/** Runs one stage of one pipeline, instead of a check-in. */
export function advance(
  environment: Environment,
  effects: Effects,
  issue: number,
  directory: string,
): Promise<Outcome> {
  // It prints text for people; the next observation shows what it did.
  return runUnderLock(
    environment,
    effects,
    ['factory', 'pipeline', 'advance', `${issue}`],
    directory,
    () => [],
  );
}

/** Begins a triage anew; its agent then works without us. */
export function runTriage(
  environment: Environment,
  effects: Effects,
  issue: number,
  directory: string,
): Promise<Outcome> {
  return runUnderLock(environment, effects, ['factory', 'triage', 'run', `${issue}`], directory, () => []);
}

async function runUnderLock(
  { paths }: Environment,
  { files, processes }: Effects,
  argv: Argv,
  directory: string,
  parse: (stdout: string) => readonly CheckInAction[],
): Promise<Outcome> {
  rotate(files, paths.orchestratorLog);
  const logged = files.size(paths.orchestratorLog);
  const { exited } = processes.startDetached(underLock(paths.checkInLock, argv, LOCK_SECONDS), {
    cwd: directory,
    stdoutFile: paths.checkInOutput,
    stderrFile: paths.orchestratorLog,
  });
  const code = await exited;
  if (code === LOCK_BUSY) return { busy: true, actions: [], error: null };
  const signal = signalName(code);
  if (signal !== null)
    return { busy: false, actions: [], error: `factory was ended by ${signal} before it had finished` };
  if (code !== 0) {
    const said = files.readEnd(paths.orchestratorLog, COMPLAINT_BYTES, logged);
    const complaint = parseError(said.replaceAll(PROGRESS, ''));
    return { busy: false, actions: [], error: complaint || `factory ended with exit code ${code}` };
  }
  const said = files.read(paths.checkInOutput) ?? '';
  try {
    return { busy: false, actions: parse(said), error: null };
  } catch (error) {
    return { busy: false, actions: [], error: `${messageOf(error)}: ${said.trim().slice(0, 200)}` };
  }
}

/** The actions that the last run printed, if any: for a check-in that an earlier supervisor started. */
export function lastActions({ paths }: Environment, files: Files): readonly CheckInAction[] {
  try {
    return parseActions(files.read(paths.checkInOutput) ?? '');
  } catch {
    return [];
  }
}

/** The signal that an exit code stands for; null when the program exited normally. */
function signalName(code: number): string | null {
  return Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0] ?? null;
}

function rotate(files: Files, path: string): void {
  if (files.size(path) <= LOG_LIMIT_BYTES) return;
  files.rename(path, `${path}.1`);
  // tail --follow=name finds the new one.
  files.append(path, '');
}
