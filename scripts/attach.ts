/** `attach`: joins an existing session, and rejoins it after a lost connection. */
import { keepAttached } from './lib/attach/keep-attached.ts';
import { type Context, defineCommand, runIfMain } from './lib/cli/command.ts';
import { CliError, UsageError } from './lib/cli/errors.ts';
import * as prompt from './lib/cli/prompt.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { type Entrance, findWorker } from './lib/worker/observe.ts';
import {
  chooseSession,
  describeSession,
  parseSessions,
  renderSessions,
  type Session,
  workSessions,
} from './lib/worker/sessions.ts';
import { SUMMARIES } from './summaries.ts';

export const attach = defineCommand({
  name: 'attach',
  summary: SUMMARIES.attach,
  description: `Detach with Ctrl-b d; the session continues. After a lost connection, or when the pod is replaced, the command waits and
rejoins the session of the same name; Ctrl-C stops waiting. It never creates a session.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: {
    session: {
      type: 'string',
      short: 's',
      value: 'NAME',
      description:
        'exact name of the session, or its stage if only one session is at that stage; prompted if omitted',
    },
    'read-only': {
      type: 'boolean',
      short: 'r',
      description: 'only look: all keys except the one to detach are ignored',
    },
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'choose one of its sessions'],
    ['worker-1 --session qa', 'the session at stage qa'],
    ['worker-1 -s orchestrator --read-only', 'watch the check-ins'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name);
    if (context.stdin.isTTY !== true || context.stdout.isTTY !== true) {
      throw new UsageError(
        'attach needs a terminal on stdin and stdout',
        `to look without one: ${context.commandLine('peek', name, ...(flags.session ? ['--session', flags.session] : []))}`,
      );
    }
    const entrance = await enter();
    const session = await pickSession(context, entrance, worker, flags.session, timeoutMs);
    const mode = flags['read-only'] ? 'read-only' : 'read-write';
    if (mode === 'read-write' && session.stage !== null) {
      context.stderr.write(
        `typing into ${session.name} makes factory take #${session.stage.issue} as human-driven and leave it alone; --read-only only looks. Detach: Ctrl-b d\n`,
      );
    }
    return keepAttached(context, { worker, session: session.name, mode, enter }, entrance);
  },
});

/** The named session, or the one that the operator chooses. */
async function pickSession(
  context: Context,
  { transport }: Entrance,
  worker: WorkerEntry,
  wanted: string | undefined,
  timeoutMs: number,
): Promise<Session> {
  const frame = await transport.run({
    script: 'look',
    args: ['clock', 'sessions'],
    timeoutMs,
    signal: context.signal,
  });
  const sessions = workSessions(parseSessions(frame.parts.get('sessions')?.text ?? ''));
  const now = Number(frame.parts.get('clock')?.text);
  if (sessions.length === 0) {
    throw new CliError(`${worker.name} has no sessions`, {
      hints: [`why: ${context.commandLine('status', worker.name)}`],
    });
  }
  if (wanted !== undefined) return chooseSession(sessions, wanted);
  if (!context.interactive) {
    throw new UsageError('--session is missing', ...renderSessions(sessions, now).trimEnd().split('\n'));
  }
  const width = Math.max(...sessions.map(({ name }) => name.length));
  return prompt.select(
    context,
    'Available sessions:',
    sessions.map((session) => ({
      name: `${session.name.padEnd(width)}  (${describeSession(session, now)})`,
      value: session,
    })),
    '--session NAME',
  );
}

await runIfMain(import.meta.url, attach);
