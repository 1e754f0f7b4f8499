/** `attach`: joins an existing session, and rejoins it after a lost connection. */
import { keepAttached } from './lib/attach/keep-attached.ts';
import { type Context, defineCommand } from './lib/cli/command.ts';
import { CliError, UsageError } from './lib/cli/errors.ts';
import * as prompt from './lib/cli/prompt.ts';
import { runIfMain } from './lib/cli/run.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { BY_KUBECTL, type Entrance, findWorker } from './lib/worker/observe.ts';
import { SESSION, SESSION_FLAG, WORKER } from './lib/worker/positionals.ts';
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
  description: `Detach with Ctrl-b d (inside your own tmux: prefix twice, then d); the session continues. After a lost connection, or when
the pod is replaced, the command waits and rejoins the session of the same name; Ctrl-C stops waiting. It never creates a
session.`,
  positionals: [WORKER, SESSION],
  flags: {
    ...SESSION_FLAG,
    'read-only': {
      type: 'boolean',
      short: 'r',
      description: 'only look: all keys except the one to detach are ignored',
    },
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'choose one of its sessions'],
    ['worker-1 qa', 'the session at stage qa'],
    ['worker-1 -s orchestrator --read-only', 'watch the check-ins'],
  ],
  async run({ flags, positionals: [name = '', wanted] }, context) {
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name, BY_KUBECTL);
    if (context.stdin.isTTY !== true || context.stdout.isTTY !== true) {
      throw new UsageError(
        'attach needs a terminal on stdin and stdout',
        `to look without one: ${context.commandLine('peek', name, ...(wanted ? ['--session', wanted] : []))}`,
      );
    }
    const entrance = await enter();
    const session = await pickSession(context, entrance, worker, wanted, timeoutMs);
    const mode = flags['read-only'] ? 'read-only' : 'read-write';
    const nested = await isNested(context);
    const leave = nested ? 'prefix twice, then d' : 'Ctrl-b d';
    let hint = '';
    if (mode === 'read-write' && session.stage !== null) {
      const { issue } = session.stage;
      hint = `#${issue} · ${leave} leaves · typing takes the issue over`;
      context.stderr.write(
        `typing into ${session.name} makes factory take #${issue} as human-driven and leave it alone; --read-only only looks. Detach: ${leave}\n`,
      );
    }
    return keepAttached(context, { worker, session: session.name, mode, hint, nested, enter }, entrance);
  },
});

/** Whether the terminal is in the operator's own tmux, which takes the worker's prefix for its own. */
async function isNested({ env, exec, signal }: Context): Promise<boolean> {
  if (!env['TMUX']) return false;
  const { code, stdout } = await exec.run(['tmux', 'show-options', '-gv', 'prefix'], { env, signal });
  return code === 0 && stdout.toString('utf8').trim() === 'C-b';
}

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
    throw new UsageError('SESSION is missing', ...renderSessions(sessions, now).trimEnd().split('\n'));
  }
  const width = Math.max(...sessions.map(({ name }) => name.length));
  return prompt.select(
    context,
    'Available sessions:',
    sessions.map((session) => ({
      name: `${session.name.padEnd(width)}  (${describeSession(session, now)})`,
      value: session,
    })),
    'SESSION, the second argument',
  );
}

await runIfMain(import.meta.url, attach);
