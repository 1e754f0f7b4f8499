/** `peek`: shows a session without attaching to it. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { renderJson, watch } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { withColours, withoutControls } from './lib/cli/safe-text.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { parseSessionRows } from './lib/sessions/session-rows.ts';
import { maskTokens } from './lib/tokens.ts';
import type { Frame } from './lib/transport/frame.ts';
import { findWorker } from './lib/worker/observe.ts';
import { SESSION, SESSION_FLAG, WORKER } from './lib/worker/positionals.ts';
import {
  chooseSession,
  parseSessions,
  renderSessions,
  type Session,
  workSessions,
} from './lib/worker/sessions.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['text', 'json'] as const;

/** Milliseconds between two refreshes with --follow. */
const FOLLOW_MS = 1_000;

export const peek = defineCommand({
  name: 'peek',
  summary: SUMMARIES.peek,
  description: `Without a SESSION, lists the sessions of the worker; as JSON the same as sessions -o json. Tokens are masked.`,
  positionals: [WORKER, SESSION],
  flags: {
    ...SESSION_FLAG,
    lines: {
      type: 'string',
      value: 'N',
      default: '50',
      description: 'number of lines from the end',
    },
    follow: { type: 'boolean', short: 'f', description: 'refresh every second until Ctrl-C' },
    ansi: { type: 'boolean', description: "keep the pane's colours" },
    ...OUTPUT_FLAGS(FORMATS),
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'list its sessions'],
    ['worker-1 qa', 'the last 50 lines of the session at stage qa'],
    ['worker-1 -s 23-qa-1 --lines 500 --ansi | less -R', 'more of it, with colours'],
    ['worker-1 -s orchestrator --follow', 'the check-ins as they come'],
  ],
  async run({ flags, positionals: [name = '', wanted] }, context) {
    const format = outputFormat(flags, FORMATS);
    const lines = parseLines(flags.lines);
    if (flags.follow && wanted === undefined) throw new UsageError('--follow needs a SESSION');
    if (flags.follow && format === 'json') throw new UsageError('--follow prints text, not JSON');
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name);
    const { transport } = await enter();
    const look = (script: string, args: readonly string[]) =>
      transport.run({ script, args, timeoutMs, signal: context.signal });

    if (wanted === undefined) {
      if (format === 'json') {
        context.stdout.write(renderJson(parseSessionRows(await look('look', ['brief', 'humans'])).rows));
        return undefined;
      }
      showSessions(readSessions(await look('look', ['clock', 'sessions'])), worker, context);
      return undefined;
    }
    const capture = async (session: string) => {
      const frame = await look('peek', [session, String(lines), flags.ansi ? 'yes' : 'no']);
      return readPane(frame, session, lines, flags.ansi);
    };
    if (flags.follow) return follow(context, wanted, capture);
    const { session, text } = await capture(wanted);
    context.stdout.write(
      format === 'json'
        ? renderJson({ worker: worker.name, session: session.name, lines: text.split('\n') })
        : `${text}\n`,
    );
    return undefined;
  },
});

function parseLines(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new UsageError(`--lines takes a number of at least 1; not "${text}"`);
  return Number(text);
}

function readSessions(frame: Frame): { sessions: Session[]; now: number } {
  return {
    sessions: parseSessions(frame.parts.get('sessions')?.text ?? ''),
    now: Number(frame.parts.get('clock')?.text),
  };
}

function showSessions(
  { sessions, now }: { sessions: readonly Session[]; now: number },
  worker: WorkerEntry,
  { stdout, stderr, commandLine }: Context,
): void {
  if (sessions.length === 0) {
    stderr.write(`${worker.name} has no sessions: ${commandLine('status', worker.name)} says why\n`);
  } else {
    stdout.write(renderSessions(workSessions(sessions), now));
  }
}

interface Pane {
  readonly session: Session;
  /** Masked, without trailing blank lines. */
  readonly text: string;
}

function readPane(frame: Frame, wanted: string, lines: number, ansi: boolean): Pane {
  const { sessions } = readSessions(frame);
  const pane = frame.parts.get('pane');
  const captured = frame.parts.get('name')?.text;
  // The worker chooses in the same way; where it found none or several, this throws with the candidates.
  const session = chooseSession(sessions, captured ?? wanted);
  if (pane === undefined || pane.rc !== 0) {
    throw new CliError(
      `${session.name} cannot be read: ${frame.parts.get('pane.error')?.text ?? 'it has just ended'}`,
    );
  }
  const text = maskTokens(pane.text).trimEnd().split('\n').slice(-lines).join('\n');
  return { session, text: ansi ? withColours(text) : withoutControls(text) };
}

/**
 * Refreshes until Ctrl-C or the end of the session: in place on a terminal, otherwise appending new lines.
 *
 * @returns when the session has ended
 */
async function follow(
  context: Context,
  wanted: string,
  capture: (session: string) => Promise<Pane>,
): Promise<number> {
  const { stdout, stderr } = context;
  // Stay with the session that was found first: another one may reach the same stage.
  let followed: string | null = null;
  const look = async () => {
    const { session, text } = await capture(followed ?? wanted);
    followed = session.name;
    return text.split('\n');
  };
  try {
    if (!stdout.isTTY) return await append(context, look);
    // Of a pane, the last lines matter: as many as fit below the header, with the cursor below them.
    return await watch(context, FOLLOW_MS, async () => {
      const lines = (await look()).slice(-Math.max(1, (stdout.rows ?? 24) - 2));
      return { title: `${followed}`, text: `${lines.join('\n')}\n` };
    });
  } catch (error) {
    if (followed === null || !(error instanceof CliError) || error.exitCode !== ExitCode.usage) throw error;
    stderr.write(`${followed} has ended\n`);
    return ExitCode.ok;
  }
}

async function append({ stdout, signal }: Context, look: () => Promise<string[]>): Promise<never> {
  const { pause } = await import('./lib/cli/pause.ts');
  let before: readonly string[] = [];
  for (;;) {
    const lines = await look();
    const fresh = newLines(before, lines);
    if (fresh.length > 0) stdout.write(`${fresh.join('\n')}\n`);
    before = lines;
    await pause(FOLLOW_MS, signal);
  }
}

/** The new lines of `after`: those after its longest prefix that is a suffix of `before`. */
export function newLines(before: readonly string[], after: readonly string[]): string[] {
  for (let skipped = 0; skipped < before.length; skipped++) {
    const overlap = before.length - skipped;
    let same = 0;
    while (same < overlap && before[skipped + same] === after[same]) same++;
    if (same === overlap) return after.slice(overlap);
  }
  return [...after];
}

await runIfMain(import.meta.url, peek);
