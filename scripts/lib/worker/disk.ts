/** The disks of a worker, as `df` reports them. Pure. */
import { DISK_FULL_PERCENT, DISK_WARN_PERCENT } from '../contract.ts';

export interface Disk {
  readonly mount: string;
  /**
   * Used and available space together. Not the size of the file system: root's reserve or a quota may keep a large part of
   * that from us, and the disk would be full long before we say so. df's own Use% counts the same way.
   */
  readonly sizeBytes: number;
  readonly freeBytes: number;
  /** Absent when they were not counted; null when the file system has no fixed number. */
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

/** From 0 to 1; 0 for a disk without a size, such as some pseudo file systems. */
export function shareUsed({ freeBytes, sizeBytes }: Disk): number {
  return sizeBytes === 0 ? 0 : 1 - freeBytes / sizeBytes;
}

/** `/root/.factory is 91% full`. */
export function describeFull(disk: Disk): string {
  return `${disk.mount} is ${Math.floor(shareUsed(disk) * 100)}% full`;
}
