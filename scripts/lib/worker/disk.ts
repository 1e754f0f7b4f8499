/** The disks of a worker, as `df` tells of them. Pure. */
import { DISK_FULL_PERCENT, DISK_WARN_PERCENT } from '../contract.ts';

export interface Disk {
  readonly mount: string;
  /**
   * What is used and what can still be, together. Not the size of the file system: of that, root's reserve or a quota may
   * keep a large part from us, and then a disk would be full long before it is said to be. df's own Use% counts so too.
   */
  readonly sizeBytes: number;
  readonly freeBytes: number;
  /** Left out when they were not counted; null where the file system has no fixed number. */
  readonly freeInodesPercent?: number | null;
}

export const DISK_WARN = DISK_WARN_PERCENT / 100;
export const DISK_FULL = DISK_FULL_PERCENT / 100;

/** @param text of `df --portability --block-size=1`, with its header or without: `device size used available use% mount` */
export function parseDisks(text: string): Disk[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ...fields]) => fields.slice(0, 3).every(isSize) && fields[4] !== undefined)
    .map(([, , used, free, , ...mount]) => ({
      mount: mount.join(' '),
      sizeBytes: Number(used) + Number(free),
      freeBytes: Number(free),
    }));
}

function isSize(field: string): boolean {
  return /^\d{1,18}$/.test(field);
}

/** From 0 to 1; 0 of a disk without a size, as some pseudo file systems are. */
export function shareUsed({ freeBytes, sizeBytes }: Disk): number {
  return sizeBytes === 0 ? 0 : 1 - freeBytes / sizeBytes;
}

/** `/root/.factory is 91% full`. */
export function describeFull(disk: Disk): string {
  return `${disk.mount} is ${Math.floor(shareUsed(disk) * 100)}% full`;
}
