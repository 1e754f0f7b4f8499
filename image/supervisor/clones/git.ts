/** git as the supervisor calls it: in one directory, with a time-out, and without a prompt for passwords. */
import type { Processes, RunResult } from '../effects/effects.ts';
import { withoutCredentials } from './projects.ts';

export const NO_PROMPT = { GIT_TERMINAL_PROMPT: '0' };

const LIMIT_MS = 60_000;

export type Git = (...args: string[]) => Promise<RunResult>;

/** @param timeoutMs of each call */
export function createGit(
  processes: Processes,
  directory: string,
  signal?: AbortSignal,
  timeoutMs = LIMIT_MS,
): Git {
  return (...args) =>
    processes.run(['git', '-C', directory, ...args], {
      // Its messages are parsed, so they must not be translated.
      env: { ...NO_PROMPT, LC_ALL: 'C' },
      timeoutMs,
      ...(signal ? { signal } : {}),
    });
}

/** git's message on one line, without credentials and without hints that are of no use here. */
export function gitComplaint(verb: string, { code, stderr, timedOut }: RunResult): string {
  if (timedOut) return `git ${verb} timed out`;
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  // The files that a message is about follow it, indented.
  const said = lines.filter((line) => /^(?:(?:fatal|error|remote):|\t)/.test(line));
  const text = withoutCredentials(
    (said.length > 0 ? said : lines).map((line) => line.trim()).join(' '),
  ).slice(0, 500);
  return text || `git ${verb} ended with exit code ${code}`;
}
