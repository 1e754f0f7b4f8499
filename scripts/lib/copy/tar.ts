/**
 * A tar archive from elsewhere, read as data: member by member, in a bounded amount of memory, whatever it claims. Nothing is
 * unpacked here. The format is tar-stream's business; that of a header is at most 4 MiB there.
 */
import type { Readable } from 'node:stream';
import type { Header } from 'tar-stream';

/** One who has files for hundreds of thousands of issues is far below it; so many empty ones take 4 GiB of inodes. */
export const MOST_MEMBERS = 1_000_000;

export type MemberKind = 'file' | 'folder' | 'link' | 'hard link' | 'device' | 'FIFO' | 'special file';

export interface Member {
  /** Relative, without `.`, `..` and empty parts; a folder's without the slash at its end. */
  readonly path: string;
  readonly kind: MemberKind;
  /** Permission bits only. */
  readonly mode: number;
  readonly modified: Date;
  /** Of a link. */
  readonly target: string;
  /** Content of a file; what is not read of it is skipped. */
  readonly content: AsyncIterable<Buffer>;
}

/** An archive that is not to be unpacked, or cannot be read; the message says why, after a colon. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

const KINDS: Readonly<Record<string, MemberKind>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'folder',
  symlink: 'link',
  link: 'hard link',
  'character-device': 'device',
  'block-device': 'device',
  fifo: 'FIFO',
};

/**
 * @param source the archive, not compressed; its failure is the reader's. Whoever makes it bounds its bytes
 * @throws ArchiveError when it is cut short or damaged, has more than {@link MOST_MEMBERS}, or a name that leads elsewhere
 */
export async function* readTar(source: Readable): AsyncGenerator<Member> {
  // Only when it is needed; as CommonJS it has its functions on the default export, also in the bundle.
  const { default: tar } = await import('tar-stream');
  const archive = tar.extract();
  source.once('error', (error) => archive.destroy(error));
  source.pipe(archive);
  let members = 0;
  try {
    for await (const entry of archive) {
      members++;
      if (members > MOST_MEMBERS) throw new ArchiveError(`it has more than ${MOST_MEMBERS} members`);
      yield toMember(entry.header, entry as AsyncIterable<Buffer>);
      entry.resume();
    }
  } catch (error) {
    throw error instanceof ArchiveError ? error : new ArchiveError((error as Error).message);
  } finally {
    source.unpipe(archive);
  }
}

function toMember({ name, type, mode, mtime, linkname }: Header, content: AsyncIterable<Buffer>): Member {
  const path = name.replace(/\/$/, '');
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..') || path.includes('\0')) {
    throw new ArchiveError(`it has a member with the name ${JSON.stringify(name)}`);
  }
  return {
    path,
    kind: KINDS[type] ?? 'special file',
    mode: mode & 0o777,
    modified: mtime,
    target: linkname ?? '',
    content,
  };
}
