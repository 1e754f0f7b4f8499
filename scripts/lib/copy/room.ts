/** How much to accept from a worker: never more than the free space here. */
import { statfs } from 'node:fs/promises';

/** Space that stays free for everything else on this machine. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/** @returns bytes that may be written into a folder; 0 when its file system is nearly full */
export async function roomIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.max(0, bavail * bsize - RESERVE_BYTES);
}
