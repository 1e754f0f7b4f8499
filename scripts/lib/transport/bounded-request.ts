/** A request over a connection: what bounds it, and why it may stay without an answer. */
import type { IncomingMessage } from 'node:http';

/** The answer to a request. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** Why there is no answer. */
export type Silence =
  /** The time was over. */
  | { readonly silence: 'timeout' }
  | { readonly silence: 'aborted' }
  /** It was longer than allowed. */
  | { readonly silence: 'overflow' }
  /** Nobody listens on the socket: the request was not made. */
  | { readonly silence: 'gone' }
  /** The connection ended before the answer did. */
  | { readonly silence: 'cut' };

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** How long the answer may be. */
  readonly maxBytes: number;
}

/** Runs a request until it settles, its time is over, or it is aborted; then stops it. */
export function bounded<T>(
  { timeoutMs, signal }: RequestOptions,
  begin: (settle: (value: T | Silence) => void, onStop: (stop: () => void) => void) => void,
): Promise<T | Silence> {
  return new Promise((resolve) => {
    let stop = () => {};
    let settled = false;
    const settle = (value: T | Silence) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(value);
      stop();
    };
    const abort = () => settle({ silence: 'aborted' });
    const timer = setTimeout(() => settle({ silence: 'timeout' }), timeoutMs);
    begin(settle, (how) => {
      stop = how;
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** Reads the whole body of an answer. */
export async function collect(response: IncomingMessage, maxBytes: number): Promise<HttpAnswer | Silence> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        response.destroy();
        return { silence: 'overflow' };
      }
      chunks.push(chunk);
    }
  } catch {
    return { silence: 'cut' };
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

/** @param error with which a request has failed */
export function whyNot({ code }: NodeJS.ErrnoException): Silence {
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return { silence: 'overflow' };
  return { silence: code === 'ENOENT' || code === 'ECONNREFUSED' ? 'gone' : 'cut' };
}
