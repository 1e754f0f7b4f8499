/** Commands that change one worker or several: which ones are meant, and what is said of each. */
import type { Context, Positional } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError, UsageError } from '../cli/errors.ts';
import type { Flags } from '../cli/flags.ts';
import { renderJson } from '../cli/output.ts';
import { expected, jsonError } from '../cli/run.ts';
import type { Sink } from '../cli/sink.ts';
import type { WorkerFlagValues } from '../config/flags.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { chooseWorkers, loadWorkers } from '../config/workers-file.ts';
import { describeOutage, isHit, outageSubject, outagesOf } from '../health/outages.ts';
import { TransportError } from '../transport/transport.ts';
import { bugSentence, fanOut } from '../worker/fan-out.ts';
import { type FoundWorker, findWorker, foundWorkers } from '../worker/observe.ts';
import { standInForWorker, WORKER } from '../worker/positionals.ts';

/** One or several workers; see {@link chooseSeveral}. */
export const WORKERS: Positional = {
  name: 'WORKER',
  required: false,
  repeat: true,
  ...(WORKER.note === undefined ? {} : { note: WORKER.note }),
};

export const ALL_FLAG = {
  all: { type: 'boolean', description: 'every worker of workers.yaml' },
} as const satisfies Flags;

/** How many workers to change at the same time, where each takes programs of its own. */
export const AT_ONCE = 8;

/** The workers that a command is about. */
export interface Chosen {
  readonly workers: readonly FoundWorker[];
  /** More than one was named, or `--all` was given: JSON is a list then. */
  readonly several: boolean;
}

/**
 * The workers that were named, or all; without either the one that {@link WORKER} stands for.
 *
 * @throws UsageError when there is none, or a name is unknown: then nothing is touched
 */
export async function chooseSeveral(
  context: Context,
  flags: WorkerFlagValues & { readonly all: boolean },
  names: readonly string[],
): Promise<Chosen> {
  if (flags.all && names.length > 0)
    throw new UsageError('--all and names of workers cannot be used together');
  if (!flags.all && names.length < 2) {
    const name = names[0] ?? (await standInForWorker(context, flags));
    return { workers: [await findWorker(context, flags, name)], several: false };
  }
  const file = await loadWorkers(context.env, flags, context.commandLine);
  const workers = flags.all ? file.workers : chooseWorkers(file, names);
  if (workers.length === 0) throw new UsageError(`no workers in ${file.path}`);
  return { workers: foundWorkers(context, flags, workers), several: flags.all || workers.length > 1 };
}

/** How the output of several workers is put together. */
export interface Together {
  readonly json: boolean;
  /** How many at the same time. */
  readonly limit: number;
  /** Whether each has more than a line to say, so that its name goes above it. */
  readonly headings?: boolean;
}

/** @returns the exit code */
export type OnWorker = (found: FoundWorker, context: Context) => Promise<number | undefined>;

/**
 * Runs a command's action for each of the workers. One alone has the command's output for itself. Several run side by side:
 * each line on stderr names its worker, JSON becomes a list, and when one fails the others go on. After Ctrl-C none is begun,
 * and those that had begun end as they do alone.
 *
 * @returns 0 when all succeeded, the exit code that all failed with, otherwise 3; after Ctrl-C that of the signal
 */
export async function onEach(
  { workers, several }: Chosen,
  { json, limit, headings = false }: Together,
  context: Context,
  action: OnWorker,
): Promise<number> {
  const { stdout, stderr, signal } = context;
  const [only] = workers;
  if (!several && only !== undefined) return (await action(only, context)) ?? ExitCode.ok;
  const misses: Miss[] = [];
  const attempt = async (found: FoundWorker) => {
    const { name } = found.worker;
    let text = '';
    const keep = (more: string) => {
      text += more;
    };
    const collecting = json || headings;
    const own: Context = {
      ...context,
      stdout: collecting ? writing(stdout, keep) : stdout,
      stderr: labelled(stderr, name),
    };
    try {
      if (signal.aborted) throw InterruptedError.by(signal, `interrupted; ${name} is left as it is`);
      const code = (await action(found, own)) ?? ExitCode.ok;
      if (!json && text !== '') stdout.write(`# ${name}\n${text}`);
      return { code, value: json && text !== '' ? elementOf(text) : { worker: name, exitCode: code } };
    } catch (error) {
      const known = failureOf(error, found.worker, signal);
      if (known instanceof TransportError && known.reason !== null)
        misses.push({ worker: found.worker, error: known });
      else tellFailure(stderr, name, known, json);
      const { message, hints, exitCode } = known;
      return { code: exitCode, value: { worker: name, error: { message, hints, exitCode } } };
    }
  };
  const results = await fanOut(workers, limit, attempt);
  tellMisses(stderr, misses, json);
  if (json) stdout.write(renderJson(results.map(({ value }) => value)));
  if (signal.aborted) return Math.max(...results.map(({ code }) => code));
  const [code = ExitCode.ok, ...others] = new Set(results.map((result) => result.code));
  return others.length === 0 ? code : ExitCode.partial;
}

/** What one worker's action has printed, as part of a list: only whole documents have a version. */
function elementOf(json: string): unknown {
  const { schema: _, ...element } = JSON.parse(json) as Record<string, unknown>;
  return element;
}

/** What failed, also where the failure is a bug of ours: it must not hide the other workers. */
function failureOf(error: unknown, { name }: WorkerEntry, signal: AbortSignal): CliError {
  const known = expected(error);
  // The operator need not know which signal it was.
  if (known instanceof InterruptedError) return InterruptedError.by(signal, known.message);
  if (known !== null) return known;
  if (signal.aborted) return InterruptedError.by(signal, `interrupted at ${name}`);
  return new CliError(bugSentence(error));
}

/** A worker that its cluster kept us from. */
interface Miss {
  readonly worker: WorkerEntry;
  readonly error: TransportError;
}

/** A failure of a cluster once, however many workers it has hit. */
function tellMisses(stderr: Sink, misses: readonly Miss[], json: boolean): void {
  const outages = outagesOf(
    misses.map(({ worker, error }) => ({
      worker,
      status: error.kind,
      reason: error.reason,
      next: error.hints,
    })),
  );
  for (const outage of outages) {
    const hit = misses.find(({ worker }) => isHit(outage, worker.name));
    const { exitCode } = hit?.error ?? { exitCode: ExitCode.failed };
    const subject = outageSubject(outage);
    const failure = new CliError(`${subject} ${describeOutage(outage)}`, { exitCode, hints: outage.next });
    tellFailure(stderr, subject, failure, json);
  }
  for (const { worker, error } of misses) {
    if (!outages.some((outage) => isHit(outage, worker.name))) tellFailure(stderr, worker.name, error, json);
  }
}

/** Prints the failure of one worker of several at once, not when the last one is done. */
export function tellFailure(
  stderr: Sink,
  worker: string,
  { message, hints, exitCode }: CliError,
  json: boolean,
): void {
  const about = isAbout(message, worker) ? message : `${worker}: ${message}`;
  stderr.write(
    json
      ? jsonError(about, hints, exitCode)
      : `error: ${about}\n${hints.map((hint) => `  ${hint}\n`).join('')}`,
  );
}

/** Whether a line says by itself which worker it is about. */
function isAbout(line: string, worker: string): boolean {
  return line.startsWith(`${worker} `) || line.startsWith(`${worker}:`);
}

/** Begins each line with the worker's name, except those that continue the line before. */
function labelled(sink: Sink, worker: string): Sink {
  const label = (line: string) =>
    /^(?:\s|$)/.test(line) || isAbout(line, worker) ? line : `${worker}: ${line}`;
  return writing(sink, (text) => sink.write(text.split('\n').map(label).join('\n')));
}

/** The sink with another way to write. */
function writing(sink: Sink, write: (text: string) => void): Sink {
  return Object.assign(Object.create(sink) as Sink, { write });
}
