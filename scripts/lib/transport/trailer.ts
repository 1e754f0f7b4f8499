/**
 * The end of a program whose output goes through as it is. kubectl can report success for a stream that was cut
 * (kubernetes/kubernetes#73056), so scripts/remote/exec.sh writes `NUL NONCE SPACE CODE NEWLINE` behind all that the program
 * wrote to stderr; only that says that the program has ended, and how.
 */

/** Takes the trailer out of a stderr. */
export interface Trailer {
  /** Null until the trailer was read; then the exit code of the program. */
  readonly code: number | null;
  /** The end of what stood before the trailer, or of all where there is none, for messages of kubectl's own. */
  readonly tail: string;
  /** @returns what of the stream can go on now: all but what may be the beginning of the trailer, and what follows it */
  pass(chunk: Buffer): Buffer;
  /** @returns at the end of the stream what was held back and is no trailer */
  rest(): Buffer;
}

const TAIL_BYTES = 2_000;

/** What follows the nonce: a space, the exit code, a newline. */
const CODE_BYTES = 5;

/** kubectl says so after the trailer, of every exit code but 0. */
const KUBECTLS_OWN = /^command terminated with exit code \d+\r?\n?/m;

/**
 * @param nonce the word given to the script. The trailer begins with a NUL, with which no prompt and no line of progress
 *   ends: none of them has to wait.
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

/** Where at the end of some bytes a mark may begin that goes on in the next ones; their length where it cannot. */
function beginningOf(mark: Buffer, bytes: Buffer): number {
  const first = Math.max(0, bytes.length - mark.length + 1);
  for (let at = first; at < bytes.length; at++) {
    if (bytes.subarray(at).equals(mark.subarray(0, bytes.length - at))) return at;
  }
  return bytes.length;
}
