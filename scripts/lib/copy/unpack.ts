/**
 * Unpacks an archive from a worker onto this disk. A worker is not trusted, so a member is written only where nothing exists
 * yet, below one name, and links are created last: no write can go through a link.
 */
import { mkdir, open, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { ArchiveError, type Member, readTar } from './tar.ts';

/** How many skipped entries are listed. */
const NAMED = 100;

export interface LeftOut {
  readonly path: string;
  /** `a link to /etc/hosts`, `a FIFO`. */
  readonly what: string;
}

export interface Unpacked {
  /** Name of the one file or folder that was unpacked. */
  readonly name: string;
  /** Size of all files. */
  readonly contentBytes: number;
  readonly leftOut: readonly LeftOut[];
  /** How many entries were skipped, including those not listed. */
  readonly leftOutCount: number;
}

/**
 * Unpacks one file or folder. Owners and special permission bits are dropped, and the umask applies; the owner can always
 * enter and empty a folder.
 *
 * @param folder an empty folder
 * @throws ArchiveError when it is damaged, or not one file or folder; NodeJS.ErrnoException when it cannot be written
 */
export async function unpack(source: Readable, folder: string): Promise<Unpacked> {
  let top: Member | null = null;
  const folders = new Map<string, Member>();
  const links: Member[] = [];
  const leftOut: LeftOut[] = [];
  let leftOutCount = 0;
  let contentBytes = 0;
  const leave = ({ path }: Member, what: string) => {
    leftOutCount++;
    if (leftOutCount <= NAMED) leftOut.push({ path, what });
  };
  for await (const member of readTar(source)) {
    const { path, kind, mode, modified, content } = member;
    top ??= topOf(member);
    if (member !== top && (top.kind !== 'folder' || !path.startsWith(`${top.path}/`))) {
      throw new ArchiveError(`besides ${top.path} it has ${path}`);
    }
    const place = join(folder, path);
    // A name that was not UTF-8 contains this character; writing it would change the name, perhaps to that of a neighbour.
    if (path.includes('\ufffd')) leave(member, 'its name is not UTF-8');
    else if (kind === 'folder') {
      await mkdir(place, { mode: mode | 0o700 });
      folders.set(path, member);
    } else if (kind === 'file') {
      const file = await open(place, 'wx', mode);
      try {
        await writeFile(file, content);
        contentBytes += (await file.stat()).size;
        await file.utimes(modified, modified).catch(ignoreBadTime);
      } finally {
        await file.close();
      }
    } else if (kind === 'link') links.push(member);
    else leave(member, withArticle(kind));
  }
  if (top === null) throw new ArchiveError('it is empty');
  for (const link of links) {
    const { path, target } = link;
    // Otherwise it would be created through another link.
    if (!folders.has(dirname(path))) throw new ArchiveError(`it has no folder ${dirname(path)}`);
    if (staysInside(path, target)) await symlink(target, join(folder, path));
    else leave(link, `a link to ${target}`);
  }
  // After their contents, since writing those changes the folder's time.
  for (const { path, modified } of [...folders.values()].toReversed()) {
    await utimes(join(folder, path), modified, modified).catch(ignoreBadTime);
  }
  return { name: top.path, contentBytes, leftOut, leftOutCount };
}

function topOf(member: Member): Member {
  const { path, kind } = member;
  if (path.includes('/')) throw new ArchiveError(`it begins with ${path}`);
  if (kind !== 'file' && kind !== 'folder') throw new ArchiveError(`${path} is ${withArticle(kind)}`);
  return member;
}

const withArticle = (kind: string) => `a ${kind}`;

/**
 * Whether a link leads to something below the first part of its own path. `..` is allowed at the beginning only: after the
 * name of another link it would be relative to that link's target.
 *
 * @param path of the link; no folder on the way to it is a link
 */
export function staysInside(path: string, target: string): boolean {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const ups = parts.findIndex((part) => part !== '..');
  const up = ups === -1 ? parts.length : ups;
  const depth = dirname(path).split('/').length;
  return !target.startsWith('/') && target !== '' && up < depth && !parts.slice(up).includes('..');
}

/** Ignores a timestamp that this file system cannot store, instead of failing the copy. */
function ignoreBadTime(): void {}
