/** Shows what an edit changes. */

/** Unchanged lines shown around a change, as with `diff -u`. */
const CONTEXT = 3;

/**
 * The changed lines between two texts that differ in one place, as `diff -u` would show them.
 *
 * @returns lines, each with a final newline; empty when nothing differs
 */
export function lineDiff(before: string, after: string): string {
  if (before === after) return '';
  const [old, now] = [lines(before), lines(after)];
  const shorter = Math.min(old.length, now.length);
  let head = 0;
  while (head < shorter && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const shown = [
    ...old.slice(Math.max(0, head - CONTEXT), head).map((line) => ` ${line}`),
    ...old.slice(head, old.length - tail).map((line) => `-${line}`),
    ...now.slice(head, now.length - tail).map((line) => `+${line}`),
    ...old.slice(old.length - tail, old.length - tail + CONTEXT).map((line) => ` ${line}`),
  ];
  return shown.map((line) => `${line}\n`).join('');
}

function lines(text: string): string[] {
  return text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
}
