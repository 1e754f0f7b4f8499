/** The smallest tar that GNU tar takes: files with any name and type, also such as tar itself would not write. */
import { gzipSync } from 'node:zlib';

const BLOCK = 512;

/** @param files contents by name; @param gzip whether to compress the archive */
export function tarOf(files: Readonly<Record<string, string | Buffer>>, { gzip = false } = {}): Buffer {
  const blocks = Object.entries(files).flatMap(([name, content]) => {
    const body = Buffer.from(content);
    const rest = Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK);
    return [header(name, body.length), body, rest];
  });
  const archive = Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
  return gzip ? gzipSync(archive) : archive;
}

/** POSIX ustar; of a name only what fits into its field. */
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\0', 257);
  block.write('00', 263);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
