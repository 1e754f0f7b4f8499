/** The drain file: while it exists, the loop makes no further check-in. */
import { type Drain, isRecord } from '../../../scripts/lib/contract.ts';

/**
 * @param text the file's content; null when there is none
 * @returns why the worker is drained, or null when it is not. A file that cannot be parsed drains as well: its
 *   author wanted the worker to rest, and taking work by mistake costs more than resting by mistake.
 */
export function drainReason(text: string | null): string | null {
  if (text === null) return null;
  let drain: unknown;
  try {
    drain = JSON.parse(text);
  } catch {
    drain = null;
  }
  if (!isRecord(drain)) return 'drained (the drain file says neither by whom nor why)';
  const { by, host, since, reason } = drain as Partial<Drain>;
  const whence = [by && `by ${by}`, host && `on ${host}`, since && `since ${since}`]
    .filter(Boolean)
    .join(' ');
  return `drained${whence ? ` ${whence}` : ''}${reason ? `: ${reason}` : ''}`;
}
