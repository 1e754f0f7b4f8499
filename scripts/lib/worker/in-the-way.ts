/** Leftovers that keep an issue from starting, as scripts/remote/leftovers.sh reports them, and what to type. Pure. */
import type { Frame } from '../transport/frame.ts';
import type { CommandLine } from './status.ts';

export interface InTheWay {
  readonly says: string;
  /** The command that clears it in the worker; empty: `cleanup --issue` does it. */
  readonly cure: string;
}

/** @param frame of a script that reports them for every issue that was to start and has no pipeline */
export function parseInTheWay(frame: Frame): ReadonlyMap<number, InTheWay> {
  const lines = (frame.parts.get('in-the-way')?.text ?? '').split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [issue, says = '', cure = ''] = line.split('\t');
      return [Number(issue), { says, cure }];
    }),
  );
}

/** The command to type on the laptop that clears it, as words: the path may contain spaces. */
export function clearing(
  worker: string,
  issue: number,
  cure: string,
): readonly [name: string, ...args: string[]] {
  const [, verb = '', what = '', then = ''] = /^(kill|rm -r|git -C) (.+?)( switch \S+)?$/.exec(cure) ?? [];
  return verb === ''
    ? ['cleanup', worker, '--issue', String(issue)]
    : ['exec', worker, '--', ...verb.split(' '), what, ...then.split(' ').filter(Boolean)];
}

/** The same, written as an operator types it. */
export function describeClearing(command: CommandLine, worker: string, issue: number, cure: string): string {
  const [name, ...args] = clearing(worker, issue, cure);
  return command(name, ...args);
}
