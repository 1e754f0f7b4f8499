/** `attach`: joins a session that exists, and comes back to it after a lost connection. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, defineCommand, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, InterruptedError, UsageError } from './lib/cli/errors.ts';
import * as prompt from './lib/cli/prompt.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { userAtHost } from './lib/config/user.ts';
import type { WorkerEntry } from './lib/config/worker-entry.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import { plainScript } from './lib/transport/scripts.ts';
import { TransportError } from './lib/transport/transport.ts';
import { createReach, type Entrance, NoEntranceError } from './lib/worker/observe.ts';
import {
  chooseSession,
  describeSession,
  parseSessions,
  parseStageName,
  renderSessions,
  type Session,
  workSessions,
} from './lib/worker/sessions.ts';

/** How scripts/remote/attach.sh says what ended it; every other code means that the connection was lost. */
const DETACHED = 80;
const ENDED = 81;
const ABSENT = 82;
/** The worker is still booting, so that the session may come. */
const STARTING = 83;
/** tmux could not attach, and has said why on the terminal. */
const FAILED = 84;

/** Pauses before the tries to come back; the last one is repeated. */
const RECONNECT_PAUSES_MS = [500, 1_000, 2_000, 5_000];

/** A connection that lasted so long was one; what is lost after that is a new loss. */
const STABLE_MS = 5_000;

export const attach = defineCommand({
  name: 'attach',
  summary: 'Join a session of a worker on this terminal',
  description: `Detach with Ctrl-b d; the session goes on. After a lost connection, or when the pod is replaced, the command waits
and joins the session of the same name again; Ctrl-C ends the waiting. It never makes a session.`,
  positionals: [{ name: 'WORKER', required: true }],
  flags: {
    session: {
      type: 'string',
      short: 's',
      value: 'NAME',
      description:
        'session: its exact name, or the stage when only one session is at it; without it you are asked',
    },
    'read-only': {
      type: 'boolean',
      short: 'r',
      description: 'look only: keys other than the one to detach do nothing',
    },
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'choose among its sessions'],
    ['worker-1 --session qa', 'the session at stage qa'],
    ['worker-1 -s orchestrator --read-only', 'watch the check-ins'],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const worker = chooseWorker(await loadWorkers(context.env, flags, context.commandLine), name);
    if (context.stdin.isTTY !== true || context.stdout.isTTY !== true) {
      throw new UsageError(
        'attach needs a terminal on stdin and stdout',
        `to look without one: ${context.commandLine('peek', name, ...(flags.session ? ['--session', flags.session] : []))}`,
      );
    }
    const enter = () => createReach(context, timeoutMs).enter(worker);
    const entrance = await enter();
    const session = await pickSession(context, entrance, worker, flags.session, timeoutMs);
    const mode = flags['read-only'] ? 'read-only' : 'read-write';
    if (mode === 'read-write' && session.stage !== null) {
      context.stderr.write(
        `typing into ${session.name} makes factory take #${session.stage.issue} as human-driven and leave it alone; --read-only only looks. Detach: Ctrl-b d\n`,
      );
    }
    const id = randomUUID();
    return keepAttached(context, worker, session.name, id, entrance, enter, (terminal) =>
      plainScript('attach', [session.name, mode, terminal, id, userAtHost()]),
    );
  },
});

/** The session that was named, or the one the person chooses. */
async function pickSession(
  context: Context,
  { transport }: Entrance,
  worker: WorkerEntry,
  wanted: string | undefined,
  timeoutMs: number,
): Promise<Session> {
  const frame = await transport.run({ script: 'sessions', args: [], timeoutMs, signal: context.signal });
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

/**
 * Attaches, and attaches again after each lost connection, until the person detaches or the session ends.
 *
 * @param id names this attach in the worker
 * @param program what to run in the worker for a terminal of the given type
 * @returns the exit code
 */
async function keepAttached(
  context: Context,
  worker: WorkerEntry,
  session: string,
  id: string,
  first: Entrance,
  enter: () => Promise<Entrance>,
  program: (terminal: string) => ReturnType<typeof plainScript>,
): Promise<number> {
  const { exec, env, stderr, signal } = context;
  const terminal = await saveTerminal(context);
  let pod = first.pod?.name;
  let entrance = first;
  let said = '';
  const say = (text: string) => {
    if (text !== said) stderr.write(`${text}\n`);
    said = text;
  };
  for (let attempt = 0; ; attempt++) {
    const begun = performance.now();
    const { argv, ...how } = entrance.transport.terminal(program(env['TERM'] ?? ''), true);
    const code = await exec.interactive(argv, { signal, ...how });
    if (performance.now() - begun > STABLE_MS) {
      said = '';
      attempt = 0;
    }
    const ended = [DETACHED, ENDED, ABSENT, STARTING, FAILED].includes(code);
    if (!ended) await terminal.restore();
    if (signal.aborted) {
      if (!ended) await leave(entrance, id);
      signal.throwIfAborted();
    }
    switch (code) {
      case DETACHED:
        stderr.write(`detached; ${session} goes on in ${worker.name}\n`);
        return ExitCode.ok;
      case ENDED:
      case ABSENT:
        // A pod that is deleted ends its sessions before its connections.
        if (await isPodGoing(entrance, enter)) {
          say(`the pod of ${worker.name} is going away; waiting to join ${session} again (Ctrl-C ends)`);
          break;
        }
        if (code === ENDED) {
          stderr.write(`${session} has ended\n`);
          return ExitCode.ok;
        }
        throw new CliError(
          `${session} has ended${entrance === first ? '' : ' while the connection was lost'}`,
          { hints: afterwards(context, worker, session, entrance.pod?.name !== first.pod?.name) },
        );
      case FAILED:
        throw new CliError(`tmux in ${worker.name} cannot attach this terminal to ${session}`);
      case STARTING:
        say(`${worker.name} is starting; waiting for ${session} (Ctrl-C ends)`);
        break;
      case 127:
        throw new CliError(`${argv[0]} is not installed, or not on PATH`, {
          exitCode: ExitCode.missingProgram,
        });
      default:
        say(`the connection to ${worker.name} was lost; waiting to join ${session} again (Ctrl-C ends)`);
    }
    entrance = await reenter(context, worker, enter, attempt);
    if (entrance.pod !== null && entrance.pod.name !== pod) {
      stderr.write(`the pod was replaced: ${entrance.pod.name}\n`);
      pod = entrance.pod.name;
    }
    if (!ended) await leave(entrance, id);
  }
}

/**
 * Whether a session ended because its pod, or the container in it, is being replaced: then it may come back.
 *
 * @param entrance the way by which the session was reached
 */
async function isPodGoing({ pod }: Entrance, enter: () => Promise<Entrance>): Promise<boolean> {
  if (pod === null) return false;
  try {
    const now = await enter();
    return now.pod?.name !== pod.name || now.pod.state === 'draining';
  } catch (error) {
    if (error instanceof NoEntranceError) return true;
    // The cluster cannot be asked; tmux has said that it ended.
    if (error instanceof TransportError) return false;
    throw error;
  }
}

/** What to type after a session is gone. */
function afterwards(
  { commandLine }: Context,
  worker: WorkerEntry,
  session: string,
  replaced: boolean,
): string[] {
  const resumed = replaced && parseStageName(session) !== null;
  return [
    ...(resumed
      ? [
          `an interrupted stage is run again after a while; then: ${commandLine('attach', worker.name, '--session', session)}`,
        ]
      : []),
    `what there is now: ${commandLine('peek', worker.name)}`,
  ];
}

/** Long enough to be tried, short enough for a terminal that is being closed. */
const LEAVE_TIMEOUT_MS = 3_000;

/** Ends the client that a lost connection may have left behind in the worker. */
async function leave({ transport }: Entrance, id: string): Promise<void> {
  const { signal } = new AbortController();
  await transport
    .run({ script: 'detach', args: [id], timeoutMs: LEAVE_TIMEOUT_MS, signal })
    .catch((error: unknown) => {
      if (!(error instanceof TransportError)) throw error;
    });
}

/**
 * Waits until the worker can be entered again; says each new reason once.
 *
 * @param first how many tries there were before, for the pauses between them
 */
async function reenter(
  context: Context,
  worker: WorkerEntry,
  enter: () => Promise<Entrance>,
  first: number,
): Promise<Entrance> {
  let said = '';
  for (let attempt = first; ; attempt++) {
    const pause = RECONNECT_PAUSES_MS[Math.min(attempt, RECONNECT_PAUSES_MS.length - 1)];
    await sleep(pause, undefined, { signal: context.signal }).catch(() => {
      throw InterruptedError.by(
        context.signal,
        `not attached any more; the session goes on in ${worker.name}`,
      );
    });
    try {
      return await enter();
    } catch (error) {
      if (!(error instanceof TransportError) || error.kind === 'missing' || error.kind === 'program')
        throw error;
      if (error instanceof NoEntranceError && error.status === 'missing') throw error;
      if (error.message !== said) context.stderr.write(`  ${error.message}\n`);
      said = error.message;
    }
  }
}

/**
 * Remembers the terminal's settings. A connection that breaks leaves it in raw mode, on the alternate screen, with mouse
 * reports and bracketed paste on.
 */
async function saveTerminal({ exec, stderr }: Context): Promise<{ restore: () => Promise<void> }> {
  const saved = await exec.run(['stty', '-g'], { inheritStdin: true });
  const settings = saved.code === 0 ? saved.stdout.toString('utf8').trim() : 'sane';
  return {
    async restore() {
      await exec.run(['stty', settings], { inheritStdin: true });
      const off = ['?1049l', '?1000l', '?1002l', '?1003l', '?1006l', '?2004l', '?1004l', '?1l', '?25h', '0m'];
      stderr.write(`${off.map((sequence) => `\u001b[${sequence}`).join('')}\u001b>\r\n`);
    },
  };
}

await runIfMain(import.meta.url, attach);
