import { describe, expect, it } from 'vitest';
import { newNonce } from '../../scripts/lib/transport/frame.ts';
import { createTrailer } from '../../scripts/lib/transport/trailer.ts';

const nonce = newNonce();

/** Feeds a stream in pieces of some bytes. */
function read(stream: Buffer, size: number) {
  const trailer = createTrailer(nonce);
  const out: Buffer[] = [];
  for (let at = 0; at < stream.length; at += size) out.push(trailer.pass(stream.subarray(at, at + size)));
  out.push(trailer.rest());
  return { code: trailer.code, out: Buffer.concat(out).toString('latin1'), tail: trailer.tail };
}

// Text, every byte there is, and what only looks like the trailer: its beginning, and that of another call.
const said = Buffer.concat([
  Buffer.from('progress 40%\r'),
  Buffer.from(Array.from({ length: 256 }, (_, n) => n)),
  Buffer.from(`\0${nonce.slice(0, 9)}\0\0=${newNonce()} 0\n${nonce} 1\n\0`),
]);

describe('the trailer of a program', () => {
  it('is taken out of a stream, in whatever pieces it comes, and nothing else is', () => {
    const end = `\0${nonce} 137\ncommand terminated with exit code 137\n`;
    const stream = Buffer.concat([said, Buffer.from(end)]);
    for (let size = 1; size <= stream.length; size++) {
      const { code, out } = read(stream, size);
      expect([size, code, out]).toEqual([size, 137, said.toString('latin1')]);
    }
  });

  it('lets through what comes after it, as of a program in the background', () => {
    const { code, out } = read(Buffer.from(`a\0${nonce} 0\nlate\n`), 3);
    expect([code, out]).toEqual([0, 'alate\n']);
  });

  it('is not there when the stream ends before its last byte; what came of it is given back', () => {
    const end = Buffer.from(`\0${nonce} 130\n`);
    for (let kept = 0; kept < end.length; kept++) {
      const stream = Buffer.concat([said, end.subarray(0, kept)]);
      expect(read(stream, 7)).toMatchObject({ code: null, out: stream.toString('latin1') });
    }
  });

  it('holds nothing back of prompts and progress', () => {
    const trailer = createTrailer(nonce);
    for (const text of ['Password: ', 'name=', '40%\r', 'done\n', `${nonce} 0\n`])
      expect(trailer.pass(Buffer.from(text)).toString()).toBe(text);
  });

  it('remembers the end of what was said', () => {
    const { tail } = read(Buffer.from(`${'x'.repeat(9_000)}error: no route`), 1_000);
    expect(tail).toMatch(/^x+error: no route$/);
    expect(tail.length).toBe(2_000);
  });
});
