/**
 * Other processes, as a test may look at them. Not by their command lines: a child between fork and exec still has its
 * parent's, and so has whoever greps for it. What a program and all its children carry is a variable in their environment;
 * what one program is, its id says, which its starter knows, or the file of a lock that it holds.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';

/**
 * Every living process but our own with a variable in its environment, `NAME=value`. One that has just been started or has
 * just ended may or may not be among them: with a lasting number, this is for `expect.poll`.
 */
export function processesWith(variable: string): number[] {
  return allProcesses().filter((pid) => pid !== process.pid && environmentOf(pid).includes(variable));
}

/** Those of them that mention a text anywhere in their environment. */
export function processesMentioning(text: string): number[] {
  return allProcesses().filter(
    (pid) => pid !== process.pid && environmentOf(pid).some((variable) => variable.includes(text)),
  );
}

/** Whether a process runs. One that has ended and whose parent has not noticed yet does not. */
export function isRunning(pid: number): boolean {
  return stateOf(pid) !== null;
}

/** The processes without the children of others of them: of a program that starts others, the program. */
export function withoutForks(pids: readonly number[], parentOf = parent): number[] {
  return pids.filter((pid) => {
    const its = parentOf(pid);
    return its !== null && !pids.includes(its);
  });
}

/** @returns null when it does not run (any more) */
export function parent(pid: number): number | null {
  return stateOf(pid)?.parent ?? null;
}

/** How many wait for a lock of flock(2) on a file that another holds. */
export function waitersFor(file: string): number {
  // `1: -> FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF`, with the numbers of the device in hexadecimal.
  const inode = statSync(file).ino;
  const waits = new RegExp(`^\\d+: +-> FLOCK .*:${inode} \\d+ EOF$`, 'gm');
  return (read('/proc/locks').match(waits) ?? []).length;
}

function allProcesses(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function stateOf(pid: number): { readonly parent: number } | null {
  // `pid (name) state parent …`; the name may have spaces and brackets in it.
  const [, state, its] = /.*\) (\S) (\d+)/s.exec(read(`/proc/${pid}/stat`)) ?? [];
  return state === undefined || state === 'Z' || state === 'X' ? null : { parent: Number(its) };
}

function environmentOf(pid: number): string[] {
  return read(`/proc/${pid}/environ`).split('\0');
}

/** Empty for what is gone, or not ours to read. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
