/** Between a plan and its being done: shown, explained, agreed to. And the answer afterwards. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode } from '../cli/errors.ts';
import { renderJson } from '../cli/output.ts';
import { printable } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { type Plan, renderPlan } from './steps.ts';

export type Go<Name extends string> = Extract<Plan<Name>, { kind: 'go' }>;

export interface Asked {
  readonly worker: WorkerEntry;
  readonly dryRun: boolean;
  readonly json: boolean;
  /** Show the plan also when it is done: where it is more than the command's name says. */
  readonly show: boolean;
  /** Gets leave; null where none is needed. */
  readonly ask: (() => Promise<boolean>) | null;
  /** What the worker is when there is nothing to do, for programs. */
  readonly status: string;
}

/**
 * @returns the plan when it is to be done; else the exit code
 * @throws CliError when the plan is a refusal; UsageError when leave is needed and nobody is there to give it
 */
export async function agree<Name extends string>(
  plan: Plan<Name>,
  { worker, dryRun, json, show, ask, status }: Asked,
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
): Promise<Go<Name> | number> {
  if (plan.kind === 'refuse') throw new CliError(plan.why, { hints: plan.hints });
  if (plan.kind === 'nothing') {
    const answer = { worker: worker.name, dryRun, status, steps: [], notes: [plan.why] };
    stdout.write(json ? renderJson(answer) : `${printable(plan.why)}\n`);
    for (const hint of plan.hints ?? []) stderr.write(`${hint}\n`);
    return ExitCode.ok;
  }
  const { steps, notes } = plan;
  if (dryRun) {
    stdout.write(json ? renderJson({ worker: worker.name, dryRun, steps, notes }) : renderPlan(plan, true));
    return ExitCode.ok;
  }
  stderr.write(
    worker.runtime === 'local'
      ? `on this machine, ${worker.home}\n`
      : `context ${worker.context}, namespace ${worker.namespace}\n`,
  );
  stderr.write(show ? renderPlan(plan, false) : notes.map((note) => `note: ${printable(note)}\n`).join(''));
  if (ask !== null && !(await ask())) {
    stderr.write('nothing was changed\n');
    return ExitCode.failed;
  }
  return plan;
}

/** The last word of a command: a sentence for people, everything for programs. */
export function answer(
  { worker, json }: Pick<Asked, 'worker' | 'json'>,
  { steps, notes }: Pick<Go<string>, 'steps' | 'notes'>,
  said: { readonly status: string; readonly sentence: string; readonly next: readonly string[] },
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
): void {
  if (json) {
    stdout.write(
      renderJson({ worker: worker.name, dryRun: false, status: said.status, steps, notes, next: said.next }),
    );
    return;
  }
  stdout.write(`${printable(said.sentence)}\n`);
  for (const line of said.next) stderr.write(`${printable(line)}\n`);
}
