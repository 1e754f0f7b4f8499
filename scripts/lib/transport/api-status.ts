/** Turns what the Kubernetes API says into what kubectl prints about it, which kubectl-errors.ts understands. */
import { checkAnswer } from './read-answer.ts';

/** A Status object (Kubernetes API conventions, "Response Status Kind"). */
export interface Status {
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

/** How a program in a pod ended, or why it did not run, as a kubectl that was told so ends. */
export interface Ended {
  readonly code: number;
  readonly stderr: string;
}

/** @returns null when the text is no Status object */
export function readStatus(text: string): Status | null {
  try {
    const document: unknown = JSON.parse(text);
    return checkAnswer<Status>('status', 'the cluster', document);
  } catch {
    return null;
  }
}

/**
 * The end of a program, from the error channel of its connection.
 *
 * @param text the content of that channel; empty when the connection ended without it
 * @param closed the code with which the connection was closed
 */
export function endOfProgram(text: string, closed: number): Ended {
  const status = readStatus(text);
  if (status?.status === 'Success') return { code: 0, stderr: '' };
  // kubectl's words for a stream that was cut.
  if (status === null) return { code: 1, stderr: `error: the connection was closed (${closed})\n` };
  if (status.reason === 'NonZeroExitCode') {
    const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
    const code = /^\d{1,3}$/.test(cause?.message ?? '') ? Number(cause?.message) : 1;
    // A code of 0 would be no failure.
    return { code: code || 1, stderr: `command terminated with exit code ${code}\n` };
  }
  return { code: 1, stderr: `error: ${status.message ?? 'unknown'}\n` };
}

/**
 * What kubectl prints when the API server, or what stands before it, refuses a request.
 *
 * @param body of the answer: a Status of the API server, or the words of a proxy that could not reach it
 */
export function refusal(httpStatus: number, body: string): string {
  const status = readStatus(body);
  if (status?.message !== undefined)
    return `Error from server${status.reason ? ` (${status.reason})` : ''}: ${status.message}\n`;
  // `kubectl proxy` says so of the API server, which says it of a kubelet.
  const words = body.replace(/^error dialing backend: /, '').trim();
  const [, server] = /^dial tcp (\S+): connect: connection refused$/.exec(words) ?? [];
  if (server !== undefined)
    return `The connection to the server ${server} was refused - did you specify the right host or port?\n`;
  // A kubelet says so of an exec, in words only, with HTTP 500.
  if (/^(container not found|pod does not exist)\b/.test(words))
    return `error: unable to upgrade connection: ${words}\n`;
  if (httpStatus < 500) return `Error from server: HTTP ${httpStatus} ${words}\n`;
  return `Unable to connect to the server: ${words || `HTTP ${httpStatus}`}\n`;
}
