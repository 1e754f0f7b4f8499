/**
 * Reads an untrusted tar archive as data: member by member, in bounded memory. Nothing is unpacked here. tar-stream parses the
 * format; its limit for a header is 4 MiB.
 */
import type { Readable } from 'node:stream';
import type { Header } from 'tar-stream';

/** Far more than the files of hundreds of thousands of issues; this many empty files take 4 GiB of inodes. */
export const MOST_MEMBERS = 1_000_000;

export type MemberKind = 'file' | 'folder' | 'link' | 'hard link' | 'device' | 'FIFO' | 'special file';

export interface Member {
  /** Relative, without `.`, `..` and empty parts; for a folder without the trailing slash. */
  readonly path: string;
  readonly kind: MemberKind;
  /** Permission bits only. */
  readonly mode: number;
  readonly modified: Date;
  /** Target of a link. */
  readonly target: string;
  /** Content of a file; the unread part is skipped. */
  readonly content: AsyncIterable<Buffer>;
}

/** An archive that is refused or cannot be read. The message says why and is meant to follow a colon. */
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
 * @param source the uncompressed archive; its errors go to the reader. The caller limits its size
 * @throws ArchiveError when it is truncated or damaged, has more than {@link MOST_MEMBERS}, or a name that leads elsewhere
 */
export async function* readTar(source: Readable): AsyncGenerator<Member> {
  // Loaded when needed; as CommonJS it has its functions on the default export, also in the bundle.
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
