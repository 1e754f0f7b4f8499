/** What keeps an issue from beginning, as scripts/remote/leftovers.sh says, and what to type about it. Pure. */
import type { Frame } from '../transport/frame.ts';
import type { CommandLine } from './status.ts';

export interface InTheWay {
  readonly says: string;
  /** What clears it when it is run in the worker; empty: `cleanup --issue` does it. */
  readonly cure: string;
}

/** @param frame of a script that says so of every issue without a pipeline that was to begin */
export function parseInTheWay(frame: Frame): ReadonlyMap<number, InTheWay> {
  const lines = (frame.parts.get('in-the-way')?.text ?? '').split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [issue, says = '', cure = ''] = line.split('\t');
      return [Number(issue), { says, cure }];
    }),
  );
}

/** The one command that clears it, as the laptop's words: the path in it may have blanks. */
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
