/**
 * Detects the end of a program whose output passes unchanged. kubectl can report success for a stream that was cut
 * (kubernetes/kubernetes#73056), so scripts/remote/exec.sh writes `NUL NONCE SPACE CODE NEWLINE` after everything that the
 * program wrote to stderr; only this trailer shows that the program has ended, and with which code.
 */

/** Removes the trailer from a stderr stream. */
export interface Trailer {
  /** Null until the trailer was read; then the exit code of the program. */
  readonly code: number | null;
  /** The last output before the trailer, or of the whole stream if there is none, for kubectl's own messages. */
  readonly tail: string;
  /** @returns the bytes to pass on now: everything except what may be the beginning of the trailer, and what follows it */
  pass(chunk: Buffer): Buffer;
  /** @returns at the end of the stream, the held back bytes that are not the trailer */
  rest(): Buffer;
}

const TAIL_BYTES = 2_000;

/** The bytes after the nonce: a space, the exit code, a newline. */
const CODE_BYTES = 5;

/** kubectl prints this after the trailer, for every exit code but 0. */
const KUBECTLS_OWN = /^command terminated with exit code \d+\r?\n?/m;

/**
 * @param nonce the word given to the script. The trailer begins with a NUL; no prompt or progress line ends with one, so none
 *   of them is held back.
 */
export function createTrailer(nonce: string): Trailer {
  const mark = Buffer.from(`\0${nonce} `);
  let held = Buffer.alloc(0);
  let tail = Buffer.alloc(0);
  let code: number | null = null;

  const give = (bytes: Buffer) => {
    tail = Buffer.concat([tail, bytes]).subarray(-TAIL_BYTES);
    return bytes;
  };

  return {
    get code() {
      return code;
    },
    get tail() {
      return tail.toString('latin1');
    },
    pass(chunk) {
      held = Buffer.concat([held, chunk]);
      if (code !== null) return Buffer.alloc(0);
      const at = held.indexOf(mark);
      const from = at < 0 ? beginningOf(mark, held) : at;
      const before = Buffer.from(held.subarray(0, from));
      held = held.subarray(from);
      const after = mark.length + CODE_BYTES;
      const [line, digits] = /^(\d{1,3})\n/.exec(held.toString('latin1', mark.length, after)) ?? [];
      if (at >= 0 && line !== undefined) {
        code = Number(digits);
        held = held.subarray(mark.length + line.length);
      }
      return give(before);
    },
    rest() {
      const text = held.toString('latin1');
      held = Buffer.alloc(0);
      return give(Buffer.from(code === null ? text : text.replace(KUBECTLS_OWN, ''), 'latin1'));
    },
  };
}

/** The index at which a mark may begin at the end of the bytes and continue in the next ones; their length if none does. */
function beginningOf(mark: Buffer, bytes: Buffer): number {
  const first = Math.max(0, bytes.length - mark.length + 1);
  for (let at = first; at < bytes.length; at++) {
    if (bytes.subarray(at).equals(mark.subarray(0, bytes.length - at))) return at;
  }
  return bytes.length;
}
