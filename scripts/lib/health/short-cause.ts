/** Why a worker needs the operator, in about three words, for one cell of a table. Pure. */
import { describeHold } from '../account.ts';
import { age, oneLine } from '../cli/text.ts';
import { accountHold } from '../worker/account.ts';
import type { Finding } from './facts.ts';
import type { Observation } from './observe.ts';
import { severityOf } from './report.ts';

/** Whether something waits for the operator: an error, or an issue that will not start by itself. */
export function needsYou({ status, pod, problems }: Observation): boolean {
  return severityOf(status, pod) === 'error' || problems.some(isPressing);
}

function isPressing({ id, severity }: Finding): boolean {
  return severity === 'error' || id === 'dependency-failed' || id === 'row-without-intent';
}

/** The problem to look at first; undefined when there is none. */
export function firstProblem({ status, problems }: Observation): Finding | undefined {
  return problems.find((finding) => finding.status === status) ?? problems.find(isPressing) ?? problems[0];
}

/** @returns null when there is no problem */
export function shortCause(seen: Observation): string | null {
  const problem = firstProblem(seen);
  if (problem === undefined) return null;
  return oneLine(WORDS[problem.id]?.(seen, problem) ?? idInWords(problem.id));
}

/** `disk-full` is `disk full`; `probe-queue`, a part that could not be read, `queue unreadable`. */
function idInWords(id: string): string {
  return id.replace(/^probe-(\S+)/, '$1 unreadable').replaceAll('-', ' ');
}

/** By the id of a finding; another one's id is short enough. */
const WORDS: Readonly<Record<string, (seen: Observation, problem: Finding) => string>> = {
  silent: ({ snapshot }, { cause }) => {
    const session = snapshot?.sessions.find(({ name }) => cause.includes(` ${name} `));
    return snapshot === null || session === undefined
      ? 'silent'
      : `silent ${age(snapshot.now - session.activityAt)}`;
  },
  'account-held': ({ snapshot }) => {
    const hold = snapshot && accountHold(snapshot);
    if (!hold) return 'account held';
    // `limit until 15:00 UTC: …`, `token refused: …`
    const sentence = describeHold(hold);
    return (/^limit until \S+(?: \d\S+)?/.exec(sentence) ?? /^[^:,]*/.exec(sentence) ?? [''])[0];
  },
  asks: () => 'asks a question',
  'pipeline-blocked': () => 'blocked',
  'repairs-given-up': () => 'retries exhausted',
  'requeues-given-up': () => 'never begun',
  'loop-dead': () => 'no supervisor',
  'loop-refuses': () => 'takes no work',
  'docker-volume-full': () => 'Docker volume full',
  'row-without-intent': () => 'no intent',
  'unexpected-error': () => 'unexpected error',
};
