import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';

describe('a signal of a test', () => {
  // SIGCONT, so that a guard that is missing harms nobody.
  it.each([
    ['the number in an empty file', Number('')],
    ['the group of a program that was not started', -0],
    ['everything there is', -1],
    ['init', 1],
    ['no number', Number('x')],
  ])('to %s is refused', (_, pid) => {
    expect(() => process.kill(pid, 'SIGCONT')).toThrow(/is no process to signal/);
  });

  it('to a program and to its group arrives', async () => {
    for (const sign of [1, -1]) {
      const child = spawn('sleep', ['60'], { detached: true });
      process.kill(sign * Number(child.pid), 'SIGTERM');
      expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
    }
  });
});
