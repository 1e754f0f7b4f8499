/** How much may come from a worker: never more than what is free here. */
import { statfs } from 'node:fs/promises';

/** Stays free for everything else on this machine. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/** @returns bytes that may be written into a folder; 0 where its file system is as good as full */
export async function roomIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.max(0, bavail * bsize - RESERVE_BYTES);
}
