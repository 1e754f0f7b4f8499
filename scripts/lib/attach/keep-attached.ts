/** Attaches to a session and reconnects: handles how each connection ended. */
import { randomUUID } from 'node:crypto';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import { userAtHost } from '../config/user.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { plainScript } from '../transport/scripts.ts';
import { TransportError } from '../transport/transport.ts';
import { type Entrance, NoEntranceError } from '../worker/observe.ts';
import { parseStageName } from '../worker/sessions.ts';

/** Exit codes of scripts/remote/attach.sh; every other code means that the connection was lost. */
const DETACHED = 80;
const ENDED = 81;
const ABSENT = 82;
/** The worker is still booting; the session may come. */
const STARTING = 83;
/** tmux could not attach, and printed why. */
const FAILED = 84;

/** Pauses before reconnecting; the last one is repeated. */
const RECONNECT_PAUSES_MS = [500, 1_000, 2_000, 5_000];

/** A connection that lasted this long was established: the next loss starts with the shortest pause again. */
const STABLE_MS = 5_000;

/** The session to attach to. */
export interface Attachment {
  readonly worker: WorkerEntry;
  readonly session: string;
  readonly mode: 'read-only' | 'read-write';
  /** For the status line of this client; empty for none. */
  readonly hint: string;
  /** Whether the terminal is in the operator's own tmux, and takes the same prefix. */
  readonly nested: boolean;
  /** Finds the worker's pod again: it may have been replaced. */
  readonly enter: () => Promise<Entrance>;
}

/**
 * Attaches, and attaches again after each lost connection, until the operator detaches or the session ends.
 *
 * @param first the entrance through which the session was found
 * @returns the exit code
 * @throws CliError when the session is gone, or tmux refuses the terminal; InterruptedError when the wait is interrupted
 */
export async function keepAttached(
  context: Context,
  { worker, session, mode, hint, nested, enter }: Attachment,
  first: Entrance,
): Promise<number> {
  const { exec, env, stderr, signal } = context;
  // Identifies the tmux client that a lost connection leaves behind.
  const id = randomUUID();
  const who = [env['TERM'] ?? '', id, userAtHost()];
  const program = plainScript('attach', [session, mode, ...who, hint, nested ? 'yes' : 'no']);
  const terminal = await saveTerminal(context);
  let pod = first.pod?.name;
  let entrance = first;
  const say = onlyNews((text) => {
    stderr.write(`${text}\n`);
  });
  for (let attempt = 0; ; attempt++) {
    // Ctrl-C may have come during another await.
    if (signal.aborted) throw InterruptedError.by(signal);
    const begun = performance.now();
    const { argv, ...how } = entrance.transport.terminal(program, true);
    const code = await exec.interactive(argv, { signal, ...how });
    if (performance.now() - begun > STABLE_MS) {
      say('');
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
 * @param entrance through which the session was reached
 */
async function isPodGoing({ pod }: Entrance, enter: () => Promise<Entrance>): Promise<boolean> {
  if (pod === null) return false;
  try {
    const now = await enter();
    return now.pod?.name !== pod.name || now.pod.state === 'draining';
  } catch (error) {
    if (error instanceof NoEntranceError) return true;
    // The cluster does not answer, but tmux said that the session ended.
    if (error instanceof TransportError) return false;
    throw error;
  }
}

/** Hints for a session that is gone. */
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

/** Long enough for a try, short enough for a terminal that is being closed. */
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
 * Waits until the worker can be entered again; reports each new reason once.
 *
 * @param first the number of earlier tries, for the length of the pauses
 */
async function reenter(
  context: Context,
  worker: WorkerEntry,
  enter: () => Promise<Entrance>,
  first: number,
): Promise<Entrance> {
  const tell = onlyNews((reason) => context.stderr.write(`  ${reason}\n`));
  for (let attempt = first; ; attempt++) {
    const ms = RECONNECT_PAUSES_MS[Math.min(attempt, RECONNECT_PAUSES_MS.length - 1)];
    await pause(ms ?? 0, context.signal, `not attached any more; the session goes on in ${worker.name}`);
    try {
      return await enter();
    } catch (error) {
      if (!(error instanceof TransportError) || error.kind === 'missing' || error.kind === 'program')
        throw error;
      if (error instanceof NoEntranceError && error.status === 'missing') throw error;
      tell(error.message);
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
      stderr.raw.write(`${off.map((sequence) => `\u001b[${sequence}`).join('')}\u001b>\r\n`);
    },
  };
}
