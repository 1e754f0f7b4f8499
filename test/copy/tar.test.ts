import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as source from '../../scripts/lib/copy/tar.ts';

let here: string;
beforeAll(() => {
  here = mkdtempSync(join(tmpdir(), 'tar-test-'));
  execFileSync('bash', [
    '-c',
    `umask 022; cd "$1" && mkdir -p tree/sub && cd tree && echo content >file && ln file second && ln -s ../x link && mkfifo fifo &&
     chmod 4750 file && touch "$(printf 'n%.0s' {1..200})"`,
    'make',
    here,
  ]);
});
afterAll(() => rmSync(here, { recursive: true }));

const pack = (...args: string[]) => execFileSync('tar', ['-c', '-f', '-', '-C', here, ...args]);

/** What is in it: `kind path mode target content`. */
async function read(archive: Buffer, { readTar } = source): Promise<string[]> {
  const found: string[] = [];
  // In pieces that are no multiple of anything.
  const pieces = Array.from({ length: Math.ceil(archive.length / 777) }, (_, n) =>
    archive.subarray(n * 777, (n + 1) * 777),
  );
  for await (const { kind, path, mode, target, content } of readTar(Readable.from(pieces))) {
    let text = '';
    if (kind === 'file') for await (const chunk of content) text += chunk.toString();
    found.push([kind, path, mode.toString(8), target, text.trim()].join(' ').trimEnd());
  }
  return found.toSorted();
}

const long = 'n'.repeat(200);

describe.each(['gnu', 'pax', 'posix', 'ustar'])('an archive in the format %s', (format) => {
  it('is read member by member, long names among them', async () => {
    // ustar has no room for the long one.
    const names = format === 'ustar' ? ['--exclude=nnn*', 'tree'] : ['tree'];
    const members = await read(pack(`--format=${format}`, '--sort=name', ...names));
    expect(members).toEqual(
      [
        'folder tree 755',
        'folder tree/sub 755',
        'file tree/file 750  content',
        'hard link tree/second 750 tree/file',
        'link tree/link 777 ../x',
        'FIFO tree/fifo 644',
        ...(format === 'ustar' ? [] : [`file tree/${long} 644`]),
      ].toSorted(),
    );
  });
});

it('is read by the bundle as from its source', async () => {
  await build({
    entryPoints: [new URL('../../scripts/lib/copy/tar.ts', import.meta.url).pathname],
    outdir: join(here, 'bundle'),
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  const bundled = (await import(join(here, 'bundle', 'tar.mjs'))) as typeof source;
  expect(await read(pack('tree/sub'), bundled)).toEqual(['folder tree/sub 755']);
});

it.each([
  ['cut short', () => pack('tree').subarray(0, 1000), /end of data/],
  ['not one', () => Buffer.alloc(2048, 'x'), /Invalid tar header/],
  [
    'with a name that leads out',
    () => pack('--transform=s,tree,..,', 'tree'),
    /a member with the name "\.\./,
  ],
  [
    'with a name from the root',
    () => pack('-P', '--transform=s,tree,/tree,', 'tree'),
    /a member with the name "\/tree/,
  ],
])('an archive %s is refused', async (_, archive, message) => {
  const reading = read(archive());
  await expect(reading).rejects.toThrow(message);
  await expect(reading).rejects.toBeInstanceOf(source.ArchiveError);
});

it('fails as its source does', async () => {
  const broken = new Readable({ read() {} });
  const reading = (async () => {
    for await (const _ of source.readTar(broken)) expect.unreachable();
  })();
  setImmediate(() => broken.destroy(new Error('the disk has gone')));
  await expect(reading).rejects.toThrow('the disk has gone');
});
