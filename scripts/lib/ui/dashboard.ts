/** Runs the dashboard: gives the model what is observed and pressed, draws it, and runs the commands that keys ask for. */
import { setMaxListeners } from 'node:events';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { anyKey, type FullScreen, fullScreen } from '../cli/full-screen.ts';
import { painter } from '../cli/output.ts';
import { pause } from '../cli/pause.ts';
import * as prompt from '../cli/prompt.ts';
import { oneLine } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import type { PaneView } from '../health/inside.ts';
import type { Observation } from '../health/observe.ts';
import { openConnections, WATCHING } from '../transport/connections.ts';
import { eventsOf, type Known } from '../watching/events.ts';
import type { Notify } from '../watching/notify.ts';
import { observeAll, paneReader } from './look.ts';
import {
  type Event,
  type KeyCommand,
  type Model,
  type Request,
  reduce,
  rings,
  selection,
  start,
} from './model.ts';
import { rowOf } from './row.ts';
import { inAscii, isUnicode, screen } from './screen.ts';

/** Milliseconds between two looks at the selected session. */
const PANE_MS = 1_000;

export interface DashboardOptions {
  /** How long a worker may take to answer. */
  readonly timeoutMs: number;
  /** Between two looks at all workers. */
  readonly intervalMs: number;
  /** Shows the events of `watch`; null when that is not wanted. */
  readonly notify: Notify | null;
  /** Whether to ring the terminal's bell when a worker begins to need the operator. */
  readonly bell: boolean;
  /** Runs another command on the same workers. @returns its exit code */
  readonly run: (name: KeyCommand, args: readonly string[]) => Promise<number>;
}

type CommandRequest = Extract<Request, { kind: 'command' }>;

/** @returns the exit code: 0 when the operator quits; throws as `watch` does */
export async function showDashboard(
  context: Context,
  workers: readonly WorkerEntry[],
  options: DashboardOptions,
): Promise<number> {
  const { stdin, stdout, env, now, signal } = context;
  const quit = new AbortController();
  const looking: Context = { ...context, signal: AbortSignal.any([signal, quit.signal]) };
  setMaxListeners(0, looking.signal);
  const paint = painter(stdout, env);
  const characters = isUnicode(env) ? (line: string) => line : inAscii;

  let model = start(workers.map(({ name }) => name));
  /** Null before the screen is ours, and while a command has it. */
  let drawing: FullScreen | null = null;
  const selected = signalOfChange();
  const requested = signalOfChange<Request>();
  const redraw = () => {
    const size = { columns: stdout.columns || 80, rows: stdout.rows || 24 };
    drawing?.draw(screen(model, { size, now: now(), paint }).map(characters));
  };
  const take = (event: Event) => {
    const before = selectedSession(model);
    if (options.bell && rings(model, event)) stdout.raw.write('\u0007');
    const { model: after, request } = reduce(model, event);
    model = after;
    if (selectedSession(model) !== before) selected.happen();
    if (request !== null) requested.happen(request);
    redraw();
  };

  const known = new Map<string, Known>();
  const observed = (seen: Observation, panes: readonly PaneView[]) => {
    take({ type: 'row', row: rowOf(seen, panes) });
    if (options.notify === null) return;
    const { name } = seen.worker;
    const typed = (command: string, session: string) => context.commandLine(command, name, session);
    const after = eventsOf(known.get(name) ?? null, seen, panes, typed, 'warning');
    known.set(name, after.known);
    for (const news of after.news) {
      options.notify({ at: now().toISOString(), worker: name, ...news }).catch((error: unknown) => {
        if (!quit.signal.aborted) take({ type: 'note', note: oneLine((error as Error).message) });
      });
    }
  };
  openConnections(looking, workers, WATCHING);
  const readPane = paneReader(looking, options.timeoutMs);
  const showPanes = async (): Promise<never> => {
    for (;;) {
      const chosen = selection(model);
      const worker = workers.find(({ name }) => name === chosen?.row.worker);
      const session = chosen?.session ?? null;
      const changed = selected.next();
      if (drawing !== null && worker !== undefined && session !== null) {
        const read = readPane(worker, session).then((lines) =>
          take({ type: 'pane', pane: { worker: worker.name, session, lines } }),
        );
        // A worker that does not answer must not keep the operator from looking at another.
        await Promise.race([read, changed]);
      }
      // The clock goes on.
      redraw();
      await Promise.race([pause(PANE_MS, looking.signal), changed]);
    }
  };

  const body = async (whole: FullScreen): Promise<number> => {
    const begin = () => {
      drawing = whole;
      redraw();
    };
    const end = () => {
      drawing = null;
    };
    const resized = () => {
      if (drawing === null) return;
      whole.clear();
      redraw();
    };
    stdout.raw.on('resize', resized);
    begin();
    const lookers = Promise.race([observeAll(looking, workers, options, observed), showPanes()]);
    try {
      for (;;) {
        const request = await Promise.race([requested.next(), lookers]);
        if (request.kind === 'quit') return ExitCode.ok;
        end();
        const note = await whole.lend(() => perform(context, request, options.run));
        begin();
        take({ type: 'note', note });
      }
    } finally {
      stdout.raw.off('resize', resized);
      end();
      quit.abort(new InterruptedError());
    }
  };
  try {
    return await fullScreen({ stdin, stdout }, (key) => take({ type: 'key', key }), body);
  } catch (error) {
    const { reason } = signal;
    if (reason instanceof InterruptedError && reason.exitCode === ExitCode.interrupted) return ExitCode.ok;
    throw error;
  }
}

/** A thing that happens now and then, and that one can wait for. */
function signalOfChange<T = void>() {
  let happen: (value: T) => void = () => {};
  return {
    happen: (value: T) => happen(value),
    next: () =>
      new Promise<T>((resolve) => {
        happen = resolve;
      }),
  };
}

function selectedSession(model: Model): string {
  const chosen = selection(model);
  return `${chosen?.row.worker} ${chosen?.session}`;
}

/**
 * Runs a command on the terminal that the dashboard has lent, in the way and with the words of the command itself.
 *
 * @returns a note for the dashboard; empty when there is nothing to say
 */
async function perform(
  context: Context,
  { name, args, before, onScreen = false }: CommandRequest,
  run: DashboardOptions['run'],
): Promise<string> {
  const { stderr, signal, commandLine } = context;
  const [worker = ''] = args;
  try {
    const typed: string[] = [];
    if (!onScreen) stderr.write(`$ ${commandLine(name, ...args)}\n`);
    if (before === 'confirmation' && !(await prompt.confirm(context, `Do that on ${worker}?`, false)))
      return 'nothing was done';
    if (before === 'text') {
      const text = await prompt.input(
        context,
        'Text:',
        'TEXT',
        (given) => given !== '' || 'a text is needed',
      );
      typed.push('--', text);
    }
    const code = await run(name, [...args, ...typed]);
    if (signal.aborted || (onScreen && code === ExitCode.ok)) return '';
    stderr.write('\nany key goes back to the dashboard');
    await anyKey(context);
    stderr.write('\n');
    return '';
  } catch (error) {
    // Ctrl-C at a question.
    if ((error as Error).name === 'ExitPromptError') return 'nothing was done';
    if (error instanceof CliError && !signal.aborted) return oneLine(error.message);
    throw error;
  }
}
