/** `send`: types text into a session of a worker. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { renderJson } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import * as prompt from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { count } from './lib/cli/text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { BOOT_SESSION, ORCHESTRATOR_SESSION } from './lib/contract.ts';
import type { Frame } from './lib/transport/frame.ts';
import { TooLongError } from './lib/transport/scripts.ts';
import { type Transport, TransportError } from './lib/transport/transport.ts';
import { findWorker } from './lib/worker/observe.ts';
import { SESSION, SESSION_FLAG, WORKER } from './lib/worker/positionals.ts';
import { chooseSession, parseSessions, type Session } from './lib/worker/sessions.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

/** What happens to the issue when a person types into a stage's session. */
const HUMAN_DRIVEN = (session: Session) =>
  `typing into ${session.name} makes factory take #${session.stage?.issue} as human-driven and leave it alone`;

export const send = defineCommand({
  name: 'send',
  summary: SUMMARIES.send,
  description: `The text is pasted unchanged, including line breaks, followed by Enter. It goes to the session's original pane, even after a
split, but not to a shell, which would execute it. In a stage's session it makes factory take the issue as human-driven and
leave it alone, so the command asks first.`,
  positionals: [WORKER, { ...SESSION, required: true }, { name: 'TEXT', required: false }],
  rest: 'TEXT',
  flags: {
    ...SESSION_FLAG,
    'no-enter': { type: 'boolean', description: 'do not press Enter after the text' },
    shell: { type: 'boolean', description: 'also type it into a shell, which executes it' },
    'dry-run': { type: 'boolean', description: 'show which session it would be typed into, type nothing' },
    yes: { type: 'boolean', short: 'y', description: 'do not ask' },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1 qa "run the tests again, please"', 'to the agent at stage qa'],
    ['worker-1 23-qa-1 1 --no-enter --yes', 'a single key for a menu'],
    ['worker-1 qa - < answer.md', 'a long text'],
    ['worker-1 qa -- "--verbose, please"', 'a text that starts with a dash'],
  ],
  async run({ flags, positionals: [name = '', wanted = '', typed], rest }, context) {
    const format = outputFormat(flags, FORMATS);
    const text = await readText(context, [...(typed === undefined ? [] : [typed]), ...rest]);
    const found = await findWorker(context, flags, name);
    const { worker, timeoutMs } = found;
    const { transport } = await found.enter();
    const session = await findSession(context, transport, wanted, timeoutMs);
    const enter = !flags['no-enter'];
    if (!flags['dry-run']) {
      if (!(await agreed(context, session, flags.yes))) {
        context.stderr.write('nothing was typed\n');
        return ExitCode.failed;
      }
      const request: TypeRequest = { session: session.name, text, enter, shell: flags.shell };
      await type(context, transport, worker, request, timeoutMs);
    }
    const done = { characters: text.length, enter, typed: !flags['dry-run'] };
    report(context, worker, session, done, format);
    return undefined;
  },
});

/** The text from the arguments, or from stdin for `-`, without its final line break. */
async function readText({ stdin }: Context, words: readonly string[]): Promise<string> {
  const [word, surplus] = words;
  if (word === undefined) throw new UsageError('TEXT is missing');
  if (surplus !== undefined)
    throw new UsageError(`unexpected argument "${surplus}"`, 'quote a text with spaces');
  if (word !== '-') return word;
  const pieces: Buffer[] = [];
  for await (const piece of stdin) pieces.push(Buffer.from(piece as Buffer));
  const text = Buffer.concat(pieces).toString('utf8').replace(/\n$/, '');
  if (text === '') throw new UsageError('there is nothing on stdin');
  return text;
}

async function findSession(
  { signal }: Context,
  transport: Transport,
  wanted: string,
  timeoutMs: number,
): Promise<Session> {
  const frame = await transport.run({ script: 'look', args: ['clock', 'sessions'], timeoutMs, signal });
  const session = chooseSession(parseSessions(frame.parts.get('sessions')?.text ?? ''), wanted);
  if (session.name === ORCHESTRATOR_SESSION || session.name === BOOT_SESSION) {
    throw new UsageError(`${session.name} only shows a log: nothing reads what is typed there`);
  }
  return session;
}

async function agreed(context: Context, session: Session, yes: boolean): Promise<boolean> {
  if (session.stage === null) return true;
  if (yes) {
    context.stderr.write(`note: ${HUMAN_DRIVEN(session)}\n`);
    return true;
  }
  return prompt.confirm(context, `${HUMAN_DRIVEN(session)}. Type it?`, false);
}

/** The request to scripts/remote/send.sh. */
interface TypeRequest {
  readonly session: string;
  readonly text: string;
  /** Whether to press Enter after it. */
  readonly enter: boolean;
  /** Whether a shell may receive it. */
  readonly shell: boolean;
}

/** @throws CliError when it was not typed, or that is unknown: the operator decides whether to type it again */
async function type(
  context: Context,
  transport: Transport,
  worker: WorkerEntry,
  request: TypeRequest,
  timeoutMs: number,
): Promise<void> {
  const { session } = request;
  const args = [JSON.stringify(request)];
  const look = context.commandLine('peek', worker.name, '--session', session);
  let frame: Frame;
  try {
    frame = await transport.run({ script: 'send', args, timeoutMs, signal: context.signal });
  } catch (error) {
    if (error instanceof TooLongError) {
      throw new UsageError(
        'the text is too long to be typed',
        `copy it into the worker, and name the file: ${context.commandLine('cp', 'FILE', `${worker.name}:FILE`)}`,
      );
    }
    if (!(error instanceof TransportError) || !error.mayHaveHappened) throw error;
    throw new CliError(`it is not known whether the text was typed: ${error.message}`, {
      exitCode: error.exitCode,
      hints: [`look before you type it again: ${look}`],
    });
  }
  const answer = frame.parts.get('typed');
  switch (answer?.rc) {
    case 0:
      return;
    case 1:
      throw new CliError(`${session} has just ended: nothing was typed`, {
        hints: [`what there is now: ${context.commandLine('sessions', worker.name)}`],
      });
    case 2:
      throw new CliError(`the program in ${session} has ended: nothing was typed`, {
        hints: [`what it said last: ${look}`],
      });
    case 4:
      throw new CliError(`in ${session} only a shell would read it, and execute it: nothing was typed`, {
        hints: [
          `what is wrong: ${context.commandLine('why', worker.name)}`,
          `look: ${look}`,
          'a command for the shell: give --shell',
        ],
      });
    default:
      throw new CliError(`tmux in ${worker.name} did not take the text: ${answer?.text ?? 'no answer'}`, {
        hints: [`look: ${look}`],
      });
  }
}

function report(
  { stdout, commandLine }: Context,
  worker: WorkerEntry,
  session: Session,
  done: { readonly characters: number; readonly enter: boolean; readonly typed: boolean },
  format: (typeof FORMATS)[number],
): void {
  if (format === 'json') {
    stdout.write(renderJson({ worker: worker.name, session: session.name, ...done }));
    return;
  }
  const what = `${count(done.characters, 'character')}${done.enter ? ' and Enter' : ''}`;
  if (!done.typed) {
    stdout.write(
      `${what} would be typed into ${session.name}${session.stage === null ? '' : `; ${HUMAN_DRIVEN(session)}`}\n`,
    );
    return;
  }
  stdout.write(
    `${what} typed into ${session.name}; look: ${commandLine('peek', worker.name, '--session', session.name)}\n`,
  );
}

await runIfMain(import.meta.url, send);
