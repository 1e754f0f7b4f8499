/** Parses the answers of captured remote scripts, as `scripts/remote/frame.sh` writes them. */
import { randomBytes } from 'node:crypto';

export interface Part {
  readonly rc: number;
  readonly text: string;
}

/** A complete answer. */
export interface Frame {
  /** Exit code of the script. */
  readonly rc: number;
  readonly parts: ReadonlyMap<string, Part>;
}

/** A random word that no answer contains by chance. */
export function newNonce(): string {
  return `=${randomBytes(12).toString('hex')}`;
}

/**
 * Parses an answer. Anything before its first line, such as the banner of a login script, is skipped.
 *
 * @param output everything the transport delivered
 * @param nonce the word that was given to the script
 * @returns null when the answer is incomplete: no marker, or a wrong byte count
 */
export function parseFrame(output: Buffer, nonce: string): Frame | null {
  const parts = new Map<string, Part>();
  const start = output.indexOf(nonce);
  if (start < 0) return null;
  let at = start;
  for (;;) {
    const end = output.indexOf('\n', at);
    if (end < 0) return null;
    const line = output.toString('utf8', at, end);
    const part = matchLine(line, nonce, /^ part (\S+) rc=(\d+) bytes=(\d+)$/);
    if (part !== null) {
      const [name = '', rc, bytes] = part;
      const from = end + 1;
      const to = from + Number(bytes);
      if (to >= output.length) return null;
      parts.set(name, { rc: Number(rc), text: output.toString('utf8', from, to) });
      at = to + 1;
      continue;
    }
    const marker = matchLine(line, nonce, /^ rc=(\d+) bytes=(\d+)$/);
    if (marker === null) return null;
    const [rc, bytes] = marker;
    return Number(bytes) === at - start ? { rc: Number(rc), parts } : null;
  }
}

/** Whether an answer has come to its marker; whether it is whole, {@link parseFrame} says. @param latest piece of it */
export function endsFrame(latest: string, nonce: string): boolean {
  const at = latest.lastIndexOf(nonce);
  return at >= 0 && /^ rc=\d+ bytes=\d+\n/.test(latest.slice(at + nonce.length, at + nonce.length + 64));
}

function matchLine(line: string, nonce: string, pattern: RegExp): string[] | null {
  return line.startsWith(nonce) ? (pattern.exec(line.slice(nonce.length))?.slice(1) ?? null) : null;
}
