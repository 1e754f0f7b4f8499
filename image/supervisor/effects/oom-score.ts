/** A process's score for the kernel's out-of-memory killer: the higher, the sooner it is killed (proc(5), oom_score_adj). */
import type { Files } from './effects.ts';

const scoreFile = (pid: number | 'self') => `/proc/${pid}/oom_score_adj`;

/** The score that this process inherited, like every process in the pod. To be read before `createOom`. */
export function ownScore(files: Files): string {
  return (files.read(scoreFile('self')) ?? '0').trim();
}

/** Sets a process's score; false when the kernel refuses it, or the process is gone. */
export function setScore(files: Files, pid: number, score: string): boolean {
  try {
    if (files.read(scoreFile(pid))?.trim() !== score) files.overwrite(scoreFile(pid), score);
    return true;
  } catch {
    return false;
  }
}
