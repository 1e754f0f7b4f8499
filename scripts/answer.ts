/** `answer`: shows what a session asks, and answers it. */
import {
  type Decision,
  isSame,
  isStill,
  parseChoice,
  probeSteps,
  renderDialog,
  type Step,
  stepsFor,
  wantsText,
} from './lib/answer/dialog.ts';
import { type Dialog, readScreen } from './lib/claude/screen.ts';
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, UsageError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import * as prompt from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { enumerate } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { paneLines, parsePanes } from './lib/health/inside.ts';
import type { Frame } from './lib/transport/frame.ts';
import { type Transport, TransportError } from './lib/transport/transport.ts';
import { findWorker } from './lib/worker/observe.ts';
import { SESSION, SESSION_FLAG, WORKER } from './lib/worker/positionals.ts';
import { chooseSession, parseSessions } from './lib/worker/sessions.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

export const answer = defineCommand({
  name: 'answer',
  summary: SUMMARIES.answer,
  description: `A question is a list of choices on the pane: from the agent, for a permission, or in a dialog of claude. Without --choice
and without a terminal it is only shown. SESSION may be omitted when only one session asks. Unlike a text typed by send, a
choice is not a prompt: factory continues with the issue.`,
  positionals: [WORKER, SESSION],
  flags: {
    ...SESSION_FLAG,
    choice: {
      type: 'string',
      value: 'N',
      description: 'number of the choice, from 1; 1,3 for several checkboxes',
    },
    text: { type: 'string', value: 'TEXT', description: 'the text for a choice that takes one' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'the question of the one session that asks'],
    ['worker-1 qa --choice 2', 'the second choice, at stage qa'],
    ['worker-1 23-qa-1 --choice 3 --text "leave the tests as they are"', 'with a text of your own'],
  ],
  async run({ flags, positionals: [name = '', wanted] }, context) {
    const format = outputFormat(flags, FORMATS);
    if (flags.text !== undefined && flags.choice === undefined) {
      throw new UsageError('--text needs --choice, the choice that takes it');
    }
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name);
    const { transport } = await enter();
    const frame = await transport.run({
      script: 'look',
      args: ['sessions', 'all-panes'],
      timeoutMs,
      signal: context.signal,
    });
    const asking = findAsking(frame, wanted, worker.name, context);
    const { session } = asking;
    let dialog: Dialog | null = asking.dialog;
    const asks = context.interactive && format === 'text' && flags.choice === undefined;
    let decision = flags.choice === undefined ? null : decide(dialog, flags.choice, flags.text);
    if (asks) decision = await ask(context, session, dialog);
    if (decision === null) {
      show(context, worker.name, session, dialog, format);
      return undefined;
    }
    const pressed = { transport, worker: worker.name, session, timeoutMs };
    for (;;) {
      const next: Dialog | null = await give(context, pressed, dialog, decision);
      report(context, worker.name, session, { dialog, decision, next }, format);
      if (next === null || !asks) return undefined;
      dialog = next;
      decision = await ask(context, session, dialog);
    }
  },
});

interface Asking {
  readonly session: string;
  readonly dialog: Dialog;
}

/**
 * @param wanted name or stage of a session; undefined for the only one that asks
 * @throws CliError when there is no question, or more than one
 */
function findAsking(
  frame: Frame,
  wanted: string | undefined,
  worker: string,
  { commandLine }: Context,
): Asking {
  const sessions = parseSessions(frame.parts.get('sessions')?.text ?? '');
  const asking = parsePanes(frame).flatMap(({ session, lines }): Asking[] => {
    const screen = readScreen(lines);
    return screen.kind === 'dialog' ? [{ session, dialog: screen }] : [];
  });
  if (wanted !== undefined) {
    const { name } = chooseSession(sessions, wanted);
    const found = asking.find(({ session }) => session === name);
    if (found !== undefined) return found;
    throw new CliError(`${name} has no question now`, {
      hints: [`look: ${commandLine('peek', worker, '--session', name)}`],
    });
  }
  const [only, ...others] = asking;
  if (only === undefined) {
    throw new CliError(`no session of ${worker} has a question now`, {
      hints: [`what there is: ${commandLine('sessions', worker)}`],
    });
  }
  if (others.length > 0) {
    const names = asking.map(({ session }) => session);
    throw new UsageError(
      `${enumerate(names)} have questions`,
      `name one: ${commandLine('answer', worker, only.session)}`,
    );
  }
  return only;
}

/** @throws UsageError when the flags do not match the question */
function decide(dialog: Dialog, choice: string, text: string | undefined): Decision {
  const choices = parseChoice(choice, dialog);
  const last = dialog.choices[(choices.at(-1) ?? 1) - 1];
  const takesText = last !== undefined && wantsText(last);
  if (takesText && !text) throw new UsageError(`"${last.label}" takes a text`, 'give --text TEXT');
  if (!takesText && text) throw new UsageError(`"${last?.label}" does not take a text`);
  return { choices, text: text ?? '' };
}

async function ask(context: Context, session: string, dialog: Dialog): Promise<Decision> {
  const above = dialog.text.filter((line) => line !== dialog.question);
  context.stderr.write(`${session} asks:\n${above.map((line) => `  ${line}\n`).join('')}`);
  const options = dialog.choices.map(({ label, description }, index) => ({
    name: description === '' ? label : `${label} (${description})`,
    value: index + 1,
  }));
  const choices = dialog.multiple
    ? parseChoice(
        await prompt.input(
          context,
          `Numbers from 1 to ${options.length}, such as 1,3:`,
          '--choice',
          (typed) => validChoice(typed, dialog),
        ),
        dialog,
      )
    : [await prompt.select(context, dialog.question, options, '--choice')];
  const last = dialog.choices[(choices.at(-1) ?? 1) - 1];
  const text =
    last !== undefined && wantsText(last)
      ? await prompt.input(context, last.label, '--text', (typed) => typed !== '' || 'a text is needed')
      : '';
  return { choices, text };
}

function validChoice(typed: string, dialog: Dialog): true | string {
  try {
    parseChoice(typed, dialog);
    return true;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

interface Pressed {
  readonly transport: Transport;
  readonly worker: string;
  readonly session: string;
  readonly timeoutMs: number;
}

/**
 * Answers step by step, each step only while the pane shows what it expects.
 *
 * @returns the next question; null when there is none
 * @throws CliError when the answer was not accepted, or that is unknown
 */
async function give(
  context: Context,
  to: Pressed,
  dialog: Dialog,
  decision: Decision,
): Promise<Dialog | null> {
  let before = dialog;
  let after = readScreen([]);
  for (const step of stepsFor(dialog, decision)) {
    if (after.kind === 'dialog') before = after;
    after = readScreen(await take(context, to, before, step));
  }
  if (after.kind !== 'dialog') return null;
  if (!isSame(before, after)) return after;
  throw new CliError(`${to.session} still shows the same question`, { hints: [lookHint(context, to)] });
}

/**
 * Takes a step, a second time when claude has dropped its keys, as it does with those that arrive in the first moments of a
 * dialog: by its own clock, so on a busy machine also long after the dialog was drawn. That nothing has changed does not prove
 * it: the keys may still wait to be read, and a second Enter could answer the dialog after this one. So only the arrows are
 * pressed until the cursor has moved.
 *
 * @returns the lines of the pane after the step
 */
async function take(context: Context, to: Pressed, dialog: Dialog, step: Step): Promise<readonly string[]> {
  const first = await press(context, to, step);
  if (!first.pressed) {
    throw new CliError(`${to.session} shows another question now`, {
      hints: [`look: ${context.commandLine('answer', to.worker, to.session)}`],
    });
  }
  const unanswered = readScreen(first.lines);
  if (unanswered.kind !== 'dialog' || !isStill(dialog, unanswered, step.line)) return first.lines;
  for (const probe of probeSteps(unanswered)) {
    const { pressed, lines } = await press(context, to, probe);
    const probed = readScreen(lines);
    if (!pressed || probed.kind !== 'dialog' || !isStill(unanswered, probed, probe.next)) return lines;
  }
  return (await press(context, to, step)).lines;
}

/** The request to scripts/remote/answer.sh. */
interface PressRequest extends Step {
  readonly session: string;
}

/** @returns whether the pane showed the step's line, so that the keys were pressed; the lines of the pane after that */
async function press(
  context: Context,
  to: Pressed,
  step: Step,
): Promise<{ readonly pressed: boolean; readonly lines: readonly string[] }> {
  const request: PressRequest = { session: to.session, ...step };
  let frame: Frame;
  try {
    frame = await to.transport.run({
      script: 'answer',
      args: [JSON.stringify(request)],
      timeoutMs: to.timeoutMs,
      signal: context.signal,
    });
  } catch (error) {
    if (!(error instanceof TransportError) || !error.mayHaveHappened) throw error;
    throw new CliError(`it is not known whether ${to.session} was answered: ${error.message}`, {
      exitCode: error.exitCode,
      hints: [lookHint(context, to)],
    });
  }
  const { rc, text } = frame.parts.get('pressed') ?? { rc: null, text: 'no answer' };
  switch (rc) {
    case 0:
    case 4:
      return { pressed: rc === 0, lines: paneLines(frame.parts.get('pane')?.text ?? '') };
    case 1:
    case 2:
      throw new CliError(`${to.session} has just ended`, {
        hints: [`what there is now: ${context.commandLine('sessions', to.worker)}`],
      });
    default:
      throw new CliError(`tmux in ${to.worker} did not take the keys: ${text}`, {
        hints: [lookHint(context, to)],
      });
  }
}

const lookHint = ({ commandLine }: Context, { worker, session }: Pressed) =>
  `look: ${commandLine('peek', worker, '--session', session)}`;

const asJson = ({ question, text, choices, multiple }: Dialog) => ({
  question,
  text,
  choices: choices.map(({ label, description }, index) => ({ number: index + 1, label, description })),
  multiple,
});

function show(
  { stdout, stderr, commandLine }: Context,
  worker: string,
  session: string,
  dialog: Dialog,
  format: (typeof FORMATS)[number],
): void {
  if (format === 'json') {
    stdout.write(renderJson({ worker, session, ...asJson(dialog), answered: null, next: null }));
    return;
  }
  stdout.write(renderDialog(dialog));
  stderr.write(`answer it: ${commandLine('answer', worker, session, '--choice', 'N')}\n`);
}

function report(
  { stdout, commandLine }: Context,
  worker: string,
  session: string,
  given: { readonly dialog: Dialog; readonly decision: Decision; readonly next: Dialog | null },
  format: (typeof FORMATS)[number],
): void {
  const { dialog, decision, next } = given;
  if (format === 'json') {
    const following = next === null ? null : asJson(next);
    stdout.write(renderJson({ worker, session, ...asJson(dialog), answered: decision, next: following }));
    return;
  }
  const labels = decision.choices.map((number) => dialog.choices[number - 1]?.label ?? '');
  const words = decision.text === '' ? enumerate(labels) : decision.text;
  const then =
    next === null
      ? `look: ${commandLine('peek', worker, '--session', session)}`
      : `it now asks: ${next.question}\nanswer it: ${commandLine('answer', worker, session)}`;
  stdout.write(`answered in ${session}: ${words}; ${then}\n`);
}

await runIfMain(import.meta.url, answer);
