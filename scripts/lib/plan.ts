/**
 * The plan of a command that changes a worker. A pure function makes it from the request and the worker's state;
 * `--dry-run` prints it, and the same steps are then run in order. A step holds its command lines and the code that does the
 * same, both made from the same arguments, so that what is printed and what is run cannot drift apart.
 */
import type { Context } from './cli/command.ts';
import { CliError, ExitCode, InterruptedError } from './cli/errors.ts';
import { renderJson } from './cli/output.ts';
import { printable } from './cli/text.ts';
import type { WorkerEntry } from './config/worker-entry.ts';

/** `+` is created, `~` is changed, `-` is removed, `=` exists already, `·` changes nothing. */
export type Mark = '+' | '~' | '-' | '=' | '·';

/** Does something; may return a sentence about the outcome. */
export type Run = () => Promise<string | undefined>;

/** A part of a step: command lines, as one would type them, and the code that does the same. */
export interface Action {
  readonly commands: readonly string[];
  readonly run: Run;
}

/** A step as it is shown. */
export interface StepText<Name extends string = string> {
  readonly name: Name;
  readonly mark: Mark;
  /** For people; may have several lines. */
  readonly what: string;
  readonly commands: readonly string[];
}

export interface Step<Name extends string = string> extends StepText<Name>, Action {}

export type Refusal = { readonly kind: 'refuse'; readonly why: string; readonly hints: readonly string[] };

/** @template Item a step, or what steps are made from later (`release/steps.ts`, `unstick/plan.ts`) */
export type Plan<Item = Step> =
  | { readonly kind: 'nothing'; readonly why: string; readonly hints?: readonly string[] }
  | Refusal
  | { readonly kind: 'go'; readonly steps: readonly Item[]; readonly notes: readonly string[] };

export type Go<Item = Step> = Extract<Plan<Item>, { kind: 'go' }>;

/** How command lines are written in plans and hints: the cluster's own, and ours. */
export interface CommandLines {
  kubectl(...args: string[]): string;
  helm(...args: string[]): string;
  ours(name: string, ...args: string[]): string;
}

export function refuse(why: string, ...hints: string[]): Refusal {
  return { kind: 'refuse', why, hints };
}

/** @param actions what the step does, in order; none where there is nothing to do */
export function step<Name extends string>(
  name: Name,
  mark: Mark,
  what: string,
  ...actions: readonly Action[]
): Step<Name> {
  return {
    name,
    mark,
    what,
    commands: actions.flatMap(({ commands }) => commands),
    async run() {
      let said: string | undefined;
      for (const { run } of actions) said = (await run()) ?? said;
      return said;
    },
  };
}

/** An action that is not one call of kubectl or helm. @param commands what one would type for it; none for a look */
export function action(run: Run, ...commands: string[]): Action {
  return { commands, run };
}

/** An action without a sentence about its outcome. */
export function silently(run: () => Promise<unknown>): Run {
  return async () => {
    await run();
    return undefined;
  };
}

/** @param commands whether to show what is run, as `--dry-run` does */
export function renderPlan({ steps, notes }: Pick<Go, 'steps' | 'notes'>, commands: boolean): string {
  const width = Math.max(...steps.map(({ name }) => name.length));
  const indent = ' '.repeat(width + 4);
  const lines = steps.flatMap(({ name, mark, what, commands: typed }) => [
    `${mark} ${name.padEnd(width)}  ${printable(what).replaceAll('\n', `\n${indent}`)}`,
    ...(commands && mark !== '=' ? typed.map((line) => `${indent}$ ${line}`) : []),
  ]);
  return [...lines, ...notes.map((note) => `note: ${printable(note)}`)].map((line) => `${line}\n`).join('');
}

/** Whether the steps change anything. */
export function changes(steps: readonly StepText[]): boolean {
  return steps.some(({ mark }) => mark === '+' || mark === '~' || mark === '-');
}

/** Follows the run of a plan. @template Outcome the result of a failure that is not thrown */
export interface Progress<Name extends string, Outcome> {
  begins(step: Step<Name>): void;
  /** @param said the step's sentence about its outcome */
  ends(step: Step<Name>, said: string | undefined): void;
  fails(step: Step<Name>, error: unknown): Promise<Outcome>;
}

/**
 * Runs the steps in order, except those that are done already.
 *
 * @returns null when all steps succeeded; otherwise the result of the failure, and no further step was run
 */
export async function carryOut<Name extends string, Outcome>(
  steps: readonly Step<Name>[],
  progress: Progress<Name, Outcome>,
): Promise<Outcome | null> {
  for (const step of steps) {
    if (step.mark === '=') continue;
    progress.begins(step);
    let said: string | undefined;
    try {
      said = await step.run();
    } catch (error) {
      return progress.fails(step, error);
    }
    progress.ends(step, said);
  }
  return null;
}

/**
 * Runs the steps and reports each on stderr.
 *
 * @param again the command line that continues after a failure; called only when there is one
 * @param giveUp called after a failure or Ctrl-C, to leave the worker as it was if nothing has been changed yet
 * @throws CliError of the step that failed, with `again` among its hints
 */
export async function runSteps(
  steps: readonly Step[],
  again: () => string,
  { stderr }: Pick<Context, 'stderr'>,
  giveUp: () => Promise<unknown> = async () => {},
): Promise<void> {
  const tell = ({ name }: Step, text: string) => stderr.write(`${name}: ${printable(text)}\n`);
  await carryOut(steps, {
    begins: (step) => tell(step, step.what.split('\n')[0] ?? ''),
    ends(step, said) {
      if (said) tell(step, said);
    },
    async fails({ name }, error): Promise<never> {
      await giveUp();
      if (error instanceof InterruptedError) {
        throw new InterruptedError(
          `interrupted at: ${name}; it can be typed again: ${again()}`,
          error.exitCode,
        );
      }
      if (!(error instanceof CliError)) throw error;
      throw new CliError(error.message, {
        exitCode: error.exitCode,
        hints: [...error.hints, `then type it again, it goes on from here: ${again()}`],
      });
    },
  });
}

export interface Asked {
  readonly worker: WorkerEntry;
  readonly dryRun: boolean;
  readonly json: boolean;
  /** Show the plan also when it is run: if it does more than the command's name says. */
  readonly show: boolean;
  /** Asks for confirmation; null when none is needed. */
  readonly ask: (() => Promise<boolean>) | null;
  /** The result in JSON when there is nothing to do. */
  readonly status: string;
}

/**
 * Shows the plan and asks whether to run it.
 *
 * @returns the plan when it is to be run; otherwise the exit code
 * @throws CliError when the plan is a refusal; UsageError when confirmation is needed and there is no terminal to ask on
 */
export async function agree<Name extends string>(
  plan: Plan<Step<Name>>,
  { worker, dryRun, json, show, ask, status }: Asked,
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
): Promise<Go<Step<Name>> | number> {
  if (plan.kind === 'refuse') throw new CliError(plan.why, { hints: plan.hints });
  if (plan.kind === 'nothing') {
    const answer = { worker: worker.name, dryRun, status, steps: [], notes: [plan.why] };
    stdout.write(json ? renderJson(answer) : `${printable(plan.why)}\n`);
    for (const hint of plan.hints ?? []) stderr.write(`${hint}\n`);
    return ExitCode.ok;
  }
  const { steps, notes } = plan;
  if (dryRun) {
    stdout.write(
      json ? renderJson({ worker: worker.name, dryRun, steps: texts(steps), notes }) : renderPlan(plan, true),
    );
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

/** The final output of a command: a sentence for people, everything for programs. */
export function answer(
  { worker, json }: Pick<Asked, 'worker' | 'json'>,
  { steps, notes }: Pick<Go, 'steps' | 'notes'>,
  { status, sentence, next }: { status: string; sentence: string; next: readonly string[] },
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
): void {
  if (json) {
    stdout.write(
      renderJson({ worker: worker.name, dryRun: false, status, steps: texts(steps), notes, next }),
    );
    return;
  }
  stdout.write(`${printable(sentence)}\n`);
  for (const line of next) stderr.write(`${printable(line)}\n`);
}

/** Steps as `-o json` prints them. */
function texts(steps: readonly Step[]) {
  return steps.map(({ name, mark, what, commands }) => ({ name, mark, what, commands }));
}
