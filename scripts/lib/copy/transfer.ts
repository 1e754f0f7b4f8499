/**
 * Copies files between this machine and a worker, as tar over exec. The checksums of what was sent and of what arrived are
 * compared before anything is put in place: kubectl can report success for a truncated stream (kubernetes/kubernetes#60140).
 */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform, Writable } from 'node:stream';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { bytes } from '../cli/text.ts';
import type { Argv, Exec, StreamResult } from '../exec.ts';
import { newNonce } from '../transport/frame.ts';
import { kubectlMessage } from '../transport/kubectl-errors.ts';
import { plainScript } from '../transport/scripts.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { contentBytes, type LocalEntry, type LocalTarget, roomIn } from './places.ts';
import { ArchiveError } from './tar.ts';
import { type LeftOut, unpack } from './unpack.ts';

export interface Road {
  readonly exec: Exec;
  readonly transport: Transport;
  readonly signal: AbortSignal;
  /** How long the stream may stall, and how long a short call may take. */
  readonly timeoutMs: number;
  /** For messages. */
  readonly worker: string;
  /** What to type when the worker has no space for it. */
  readonly makeRoom?: string;
  /** Gets the number of bytes sent so far. */
  readonly onProgress?: (bytes: number) => void;
}

export interface Transferred {
  /** Size of the archive. */
  readonly bytes: number;
  /** Size of the files in it. */
  readonly contentBytes: number;
  readonly sha256: string;
  /** The final path. */
  readonly path: string;
  /** A warning from tar although it succeeded: a file that changed while it was read, a socket that it ignored. */
  readonly warning: string;
  /** Entries from the worker that were not written here; the first hundred. */
  readonly leftOut: readonly LeftOut[];
  readonly leftOutCount: number;
}

/** What a copy would do. */
export interface Outlook {
  /** The destination, for `send`; the source, for `fetch`. */
  readonly path: string;
  /** `new` or `replaced`, for `send`; the number of bytes, for `fetch`. */
  readonly fact: string;
}

/**
 * Finds out what {@link send} or {@link fetch} would do, without changing anything.
 *
 * @param args arguments of the script, after its nonce
 * @throws CliError when it would be refused
 */
export async function foresee(
  road: Road,
  script: 'cp-receive' | 'cp-send',
  args: readonly string[],
): Promise<Outlook> {
  const { exec, transport, worker, signal, timeoutMs } = road;
  const nonce = newNonce();
  const said = new Collector();
  const { argv, env } = transport.terminal(plainScript(script, [nonce, ...args, 'look']), false);
  const result = await exec.stream(argv, {
    signal,
    idleMs: timeoutMs,
    output: said,
    ...(env ? { env } : {}),
  });
  if (signal.aborted) throw InterruptedError.by(signal);
  const { refused, place } = readAnswer(`${said.text()}\n${result.stderr}`, nonce);
  if (refused !== undefined) throw new CliError(`${worker}: ${refused}`);
  if (place === undefined) throw lost(road, result);
  const [path = '', fact = ''] = place;
  return { path, fact };
}

/**
 * Sends a file or folder to a worker.
 *
 * @param destination path in the worker
 * @throws CliError when it did not arrive complete; then nothing in the worker has changed
 */
export async function send(road: Road, entry: LocalEntry, destination: string): Promise<Transferred> {
  const { exec, transport, worker } = road;
  const nonce = newNonce();
  const stop = new AbortController();
  const signal = AbortSignal.any([road.signal, stop.signal]);
  const meter = new Meter(road.onProgress);
  const said = new Collector();
  const tar: Argv = ['tar', '-c', '-f', '-', '-C', entry.folder, '--', entry.name];
  const script = plainScript('cp-receive', [nonce, destination, entry.name, entry.kind]);
  const { argv, env } = transport.terminal(script, false);
  const common = { signal, idleMs: road.timeoutMs };
  const [packed, arrived] = await Promise.all([
    // The tar of macOS would add resource forks.
    exec
      .stream(tar, { ...common, output: meter, env: { ...process.env, COPYFILE_DISABLE: '1' } })
      .then((result) => {
        if (result.code !== 0) stop.abort();
        return result;
      }),
    exec.stream(argv, { ...common, input: meter, output: said, ...(env ? { env } : {}) }),
  ]);
  const answer = readAnswer(said.text(), nonce);
  const leave = () => discard(road, answer.ready?.[0]);
  if (road.signal.aborted) {
    await leave();
    throw InterruptedError.by(road.signal);
  }
  if (answer.refused !== undefined) throw new CliError(`${worker} refused: ${answer.refused}`);
  if (packed.code !== 0 && stop.signal.aborted && answer.sum === undefined) {
    await leave();
    throw new CliError(
      `${entry.name} cannot be read: ${lastLine(packed.stderr) || `tar ended with ${packed.code}`}`,
    );
  }
  const { ready, sum } = answer;
  if (ready === undefined || sum === undefined) {
    await leave();
    throw lost(road, arrived);
  }
  const [temporary = '', final = ''] = ready;
  const [sha256 = '', rc, message = ''] = sum;
  if (rc !== '0') {
    await leave();
    throw notUnpacked(road, message);
  }
  if (sha256 !== meter.sha256()) {
    await leave();
    throw differs(road);
  }
  const frame = await transport.run({
    script: 'cp-place',
    args: [temporary, entry.name, final],
    timeoutMs: road.timeoutMs,
    signal: road.signal,
  });
  if (frame.parts.get('placed')?.rc !== 0) {
    await leave();
    throw new CliError(
      `${worker}: ${final} could not be put in place: ${frame.parts.get('placed.error')?.text}`,
    );
  }
  return {
    bytes: meter.bytes,
    contentBytes: await contentBytes(entry),
    sha256,
    path: final,
    warning: '',
    leftOut: [],
    leftOutCount: 0,
  };
}

/**
 * Fetches a file or folder from a worker.
 *
 * @throws CliError when it did not arrive complete; then nothing here has changed
 */
export async function fetch(road: Road, path: string, target: LocalTarget): Promise<Transferred> {
  try {
    return await fetchInto(road, path, target);
  } finally {
    rmSync(target.temporary, { recursive: true, force: true });
  }
}

async function fetchInto(road: Road, path: string, { final, temporary }: LocalTarget): Promise<Transferred> {
  const { exec, transport, worker } = road;
  const nonce = newNonce();
  const stop = new AbortController();
  const signal = AbortSignal.any([road.signal, stop.signal]);
  const room = await roomIn(temporary);
  const meter = new Meter(road.onProgress, room, () => stop.abort());
  const { argv, env } = transport.terminal(plainScript('cp-send', [nonce, path]), false);
  const [sent, unpacked] = await Promise.all([
    exec.stream(argv, { signal, idleMs: road.timeoutMs, output: meter, ...(env ? { env } : {}) }),
    unpack(meter, temporary).catch((error: Error) => {
      stop.abort();
      // The rest of the stream must not wait for a reader that has ended.
      meter.resume();
      return error;
    }),
  ]);
  if (road.signal.aborted) throw InterruptedError.by(road.signal);
  if (meter.full) {
    throw new CliError(
      `${worker} sends more than there is room for: ${bytes(room)} in ${dirname(temporary)}; nothing was changed`,
      { hints: ['copy a part of it, or copy into another folder'] },
    );
  }
  const { refused, sum } = readAnswer(sent.stderr, nonce);
  if (refused !== undefined) throw new CliError(`${worker}: ${refused}`);
  const failed = unpacked instanceof Error ? unpacked : null;
  if (sum === undefined) {
    // The connection broke, unless our own side refused the data.
    throw failed === null || CUT_SHORT.test(failed.message) ? lost(road, sent) : notTaken(road, path, failed);
  }
  const [sha256 = '', rc, message = ''] = sum;
  if (sha256 !== meter.sha256()) throw differs(road);
  // 1 means that a file changed while it was read; the archive is still complete.
  if (rc !== '0' && rc !== '1') throw new CliError(`${worker} could not read all of ${path}: ${message}`);
  if (unpacked instanceof Error) throw notTaken(road, path, unpacked);
  const { name, leftOut, leftOutCount, contentBytes: size } = unpacked;
  await rename(join(temporary, name), final).catch((error: Error) => {
    throw new CliError(`${final} could not be put in place: ${error.message}`);
  });
  return {
    bytes: meter.bytes,
    contentBytes: size,
    sha256,
    path: final,
    warning: message,
    leftOut,
    leftOutCount,
  };
}

/** tar-stream's error for an archive that ends too early. */
const CUT_SHORT = /end of data/i;

function notTaken({ worker }: Road, path: string, error: Error): Error {
  if (error instanceof ArchiveError) {
    return new CliError(`what ${worker} sent is not one file or folder ${path}: ${error.message}`);
  }
  return 'syscall' in error ? new CliError(`it cannot be written here: ${error.message}`) : error;
}

interface Answer {
  readonly ready?: readonly string[];
  readonly sum?: readonly string[];
  readonly place?: readonly string[];
  readonly refused?: string;
}

/** The lines of a script that begin with the nonce; others come from kubectl or a login script. */
export function readAnswer(text: string, nonce: string): Answer {
  const answer: Record<string, readonly string[]> = {};
  for (const line of text.split(/\r?\n/)) {
    const [first, word, ...values] = line.split('\t');
    if (first === nonce && word) answer[word] = values;
  }
  const { ready, sum, place, refused } = answer;
  return {
    ...(ready ? { ready } : {}),
    ...(sum ? { sum } : {}),
    ...(place ? { place } : {}),
    ...(refused ? { refused: refused[0] ?? '' } : {}),
  };
}

function lost({ worker, timeoutMs }: Road, { stalled, stderr, code }: StreamResult): TransportError {
  if (code === 127) {
    return new TransportError('program', 'kubectl is not installed, or not on PATH', {
      exitCode: ExitCode.missingProgram,
    });
  }
  const why = stalled
    ? `nothing moved for ${timeoutMs / 1000}s`
    : kubectlMessage(stderr) || 'it ended too early';
  return new TransportError('broken', `the connection to ${worker} broke: ${why}; nothing was changed`, {
    hints: ['type it again'],
    ...(stalled ? { exitCode: ExitCode.timeout } : {}),
  });
}

/** The error for a failed unpack; tar does not always say why it wrote too little. */
const NO_ROOM = /No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes/;

function notUnpacked({ worker, makeRoom }: Road, message: string): CliError {
  const [why] = message.split('; ');
  return NO_ROOM.test(message)
    ? new CliError(`${worker} has no room for it, and was left as it was: ${why}`, {
        hints: makeRoom === undefined ? [] : [makeRoom],
      })
    : new CliError(`${worker} could not unpack it: ${message}`);
}

function differs({ worker }: Road): TransportError {
  return new TransportError('broken', `what arrived is not what was sent (${worker}); nothing was changed`, {
    hints: ['type it again'],
  });
}

/** Removes the unpacked part of a failed copy. If that fails too, a later copy into the folder does it after a day. */
async function discard({ transport, timeoutMs }: Road, temporary: string | undefined): Promise<void> {
  if (temporary === undefined) return;
  const { signal } = new AbortController();
  await transport
    .run({ script: 'cp-place', args: [temporary], timeoutMs: Math.min(timeoutMs, 5_000), signal })
    .catch((error: unknown) => {
      if (!(error instanceof TransportError)) throw error;
    });
}

const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? '';

/** Passes bytes on up to a limit, and counts and hashes them. */
class Meter extends Transform {
  bytes = 0;
  readonly #hash = createHash('sha256');
  readonly #onProgress: ((bytes: number) => void) | undefined;
  readonly #limit: number;
  readonly #onFull: () => void;

  /** @param onFull called when the limit is reached; further bytes are dropped */
  constructor(onProgress: ((bytes: number) => void) | undefined, limit = Infinity, onFull = () => {}) {
    super();
    this.#onProgress = onProgress;
    this.#limit = limit;
    this.#onFull = onFull;
    // When the child that reads this stream ends, the stream is destroyed; errors of its source are ignored then.
    this.on('error', () => {});
  }

  get full(): boolean {
    return this.bytes > this.#limit;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: (error: null, chunk?: Buffer) => void): void {
    this.bytes += chunk.length;
    if (this.full) {
      this.#onFull();
      done(null);
      return;
    }
    this.#hash.update(chunk);
    this.#onProgress?.(this.bytes);
    done(null, chunk);
  }

  /** Checksum of all bytes that passed; can be called once. */
  sha256(): string {
    return this.#hash.digest('hex');
  }
}

/** Limit of an answer of our scripts: a few lines with a nonce, two paths, and a message from tar. */
const ANSWER_BYTES = 64 * 1024;

/** Collects a short answer. A longer one is an error, which ends the program that writes it. */
class Collector extends Writable {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= ANSWER_BYTES) this.#chunks.push(chunk);
    done(this.#bytes <= ANSWER_BYTES ? undefined : new Error('more than an answer can be'));
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
