/** One run of `factory` that may take half an hour: under the check-in lock, detached, into files. */
import type { CheckInAction } from '../../scripts/lib/contract.ts';
import { parseActions, parseError } from '../../scripts/lib/factory.ts';
import type { Argv, Detached, Effects, Files } from './effects.ts';
import type { Environment } from './environment.ts';
import { LOCK_BUSY, underLock } from './locks.ts';

/** Rotated between runs; the file before it is kept once. */
const LOG_LIMIT_BYTES = 5 * 1024 * 1024;
const COMPLAINT_BYTES = 16 * 1024;
/** Only a short test by somebody else is waited out; a check-in that runs is adopted. */
const LOCK_SECONDS = 5;

export interface Outcome {
  /** Somebody else took the lock first: nothing was run. */
  readonly busy: boolean;
  readonly actions: readonly CheckInAction[];
  /** What went wrong, in the program's own words; null when nothing did. */
  readonly error: string | null;
}

export interface Run {
  readonly process: Detached;
  readonly outcome: Promise<Outcome>;
}

export function startCheckIn(environment: Environment, effects: Effects, directory: string): Run {
  return startUnderLock(
    environment,
    effects,
    ['factory', 'orchestrator', 'check-in', '--format', 'json'],
    directory,
    parseActions,
  );
}

/** Runs one stage of one pipeline, in the place of a check-in. */
export function startAdvance(
  environment: Environment,
  effects: Effects,
  issue: number,
  directory: string,
): Run {
  // It prints text for people; what it has done is seen in the next look.
  return startUnderLock(
    environment,
    effects,
    ['factory', 'pipeline', 'advance', `${issue}`],
    directory,
    () => [],
  );
}

function startUnderLock(
  { paths }: Environment,
  { files, processes }: Effects,
  argv: Argv,
  directory: string,
  parse: (stdout: string) => CheckInAction[],
): Run {
  rotate(files, paths.orchestratorLog);
  const logged = files.size(paths.orchestratorLog);
  const process = processes.startDetached(underLock(paths.checkInLock, argv, LOCK_SECONDS), {
    cwd: directory,
    stdoutFile: paths.checkInOutput,
    stderrFile: paths.orchestratorLog,
  });
  const outcome = async (): Promise<Outcome> => {
    const code = await process.exited;
    if (code === LOCK_BUSY) return { busy: true, actions: [], error: null };
    const said = files.read(paths.checkInOutput) ?? '';
    if (code !== 0) {
      const size = files.size(paths.orchestratorLog) - logged;
      const from = logged + Math.max(0, size - COMPLAINT_BYTES);
      const stderr = size > 0 ? files.readFrom(paths.orchestratorLog, from, COMPLAINT_BYTES) : '';
      return {
        busy: false,
        actions: [],
        error: parseError(stderr) || `factory ended with exit code ${code}`,
      };
    }
    try {
      return { busy: false, actions: parse(said), error: null };
    } catch {
      return { busy: false, actions: [], error: `factory answered no JSON: ${said.trim().slice(0, 200)}` };
    }
  };
  return { process, outcome: outcome() };
}

/** What the last run printed, when it printed actions: for a check-in of an earlier supervisor. */
export function lastActions({ paths }: Environment, files: Files): CheckInAction[] {
  try {
    return parseActions(files.read(paths.checkInOutput) ?? '');
  } catch {
    return [];
  }
}

function rotate(files: Files, path: string): void {
  if (files.size(path) <= LOG_LIMIT_BYTES) return;
  files.rename(path, `${path}.1`);
  // tail --follow=name finds the new one.
  files.append(path, '');
}
