/**
 * Runs a command inside the test, as the program would run it, with everything it touches replaced:
 *
 *     const { code, stdout, stderr } = await run(list, ['-o', 'json'], { env: { KUBECTL: fake.path, FACTORY_WORKERS: file } });
 *
 * Without an `exec` real processes are started, so a fake kubectl is needed: the developer's own is never found, since
 * KUBECTL points nowhere unless a test says otherwise.
 */
import { PassThrough, Writable } from 'node:stream';
import { WriteStream } from 'node:tty';
import type { Command, Context } from '../../scripts/lib/cli/command.ts';
import { InterruptedError } from '../../scripts/lib/cli/errors.ts';
import type { Flags } from '../../scripts/lib/cli/flags.ts';
import { runCommand } from '../../scripts/lib/cli/run.ts';
import { createExec } from '../../scripts/lib/exec.ts';
import { overProxy } from './cluster-server.ts';
import { unpublished } from './published.ts';
import { commandLine } from './samples.ts';

/** The way to a cluster: a kubectl for each request, or one `kubectl proxy`, which asks the same kubectl for each. */
export type Transport = 'kubectl' | 'proxy';

export interface RunOptions {
  /** Added to an environment of only PATH, a HOME and a KUBECTL that do not exist. */
  readonly env?: NodeJS.ProcessEnv;
  readonly exec?: Context['exec'];
  /** How clusters are asked: by a kubectl for each request, unless told otherwise. */
  readonly transport?: Transport;
  /** Which streams are a terminal: none, all (`true`) or those named. */
  readonly tty?: boolean | readonly ('stdin' | 'stdout' | 'stderr')[];
  /** Width of the terminal. */
  readonly columns?: number;
  /** What is piped into the command; its stdin is at its end otherwise. */
  readonly stdin?: string;
  /** Answers to questions, in their order: each is typed once its `after` has appeared on stderr. `\r` is Enter. */
  readonly keys?: readonly { readonly after: string; readonly type: string }[];
  /** Ctrl-C, as soon as this has appeared on stdout or stderr. */
  readonly interruptAt?: string | RegExp;
  /** What happens while it runs, in its order: each once its text has appeared on stdout or stderr. */
  readonly meanwhile?: readonly { readonly after: string | RegExp; readonly act: () => unknown }[];
  /** What time it is; a function where it goes on while the command runs. */
  readonly now?: Date | (() => Date);
  /** Aborted with an InterruptedError it is Ctrl-C, at whatever moment. */
  readonly interrupt?: AbortController;
  /** False where the caller compares what is printed with its published schema itself. */
  readonly published?: false;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function run<F extends Flags>(
  command: Command<F>,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const isTTY = (name: 'stdin' | 'stdout' | 'stderr') =>
    typeof options.tty === 'boolean' ? options.tty : (options.tty?.includes(name) ?? false);
  const { transport = 'kubectl' } = options;
  const exec = transport === 'proxy' ? overProxy(options.exec ?? createExec()) : options.exec;
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: '/nonexistent/home',
    KUBECTL: '/nonexistent/kubectl',
    FACTORY_WORKER_TRANSPORT: transport,
    ...options.env,
  };
  const stdin = Object.assign(new PassThrough(), { isTTY: isTTY('stdin'), setRawMode: () => stdin });
  const stdout = new Captured(isTTY('stdout'), options.columns, env);
  const stderr = new Captured(isTTY('stderr'), options.columns, env);
  const interrupt = options.interrupt ?? new AbortController();
  const { now } = options;

  if (options.keys === undefined) stdin.end(options.stdin ?? '');
  const keys = [...(options.keys ?? [])];
  let answered = 0;
  stderr.onText = () => {
    const key = keys[0];
    if (key === undefined || !stderr.text.slice(answered).includes(key.after)) return;
    keys.shift();
    answered = stderr.text.length;
    // A question listens a moment after it was drawn.
    setTimeout(() => stdin.write(key.type), 20);
  };
  const awaited: { after: string | RegExp; act: () => unknown }[] = [...(options.meanwhile ?? [])];
  if (options.interruptAt !== undefined) {
    awaited.push({ after: options.interruptAt, act: () => interrupt.abort(new InterruptedError()) });
  }
  const answer = stderr.onText;
  const look = () => {
    const [next] = awaited;
    if (next === undefined) return;
    const text = `${stdout.text}\n${stderr.text}`;
    const { after } = next;
    if (!(typeof after === 'string' ? text.includes(after) : after.test(text))) return;
    awaited.shift();
    next.act();
  };
  stdout.onText = look;
  stderr.onText = () => {
    answer();
    look();
  };

  const code = await runCommand(command, argv, {
    env,
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout,
    stderr,
    signal: interrupt.signal,
    commandLine,
    now: () => (typeof now === 'function' ? now() : (now ?? new Date())),
    ...(exec ? { exec } : {}),
  });
  if (options.published !== false) {
    const differs = unpublished(command, argv, stdout.text);
    if (differs !== null) throw new Error(`${[command.name, ...argv].join(' ')} prints ${differs}`);
  }
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** A stream that keeps what is written to it and may pass for a terminal. */
export class Captured extends Writable {
  text = '';
  onText: () => void = () => {};
  readonly isTTY: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly #env: NodeJS.ProcessEnv;

  constructor(isTTY = false, columns = 80, env: NodeJS.ProcessEnv = {}) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
    if (isTTY) {
      this.columns = columns;
      this.rows = 24;
    }
    this.#env = env;
  }

  /** As a real terminal decides it, but by the test's environment. */
  getColorDepth(): number {
    return WriteStream.prototype.getColorDepth.call(this as unknown as WriteStream, this.#env);
  }

  /** A question ends the stream it was drawn on; stdout and stderr of a process take no notice of that either. */
  override end(): this {
    return this;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    this.onText();
    done();
  }
}
