import { ChildProcess } from 'node:child_process';
import { expect, it, vi } from 'vitest';
import { createExec } from '../../scripts/lib/exec.ts';

it('ends a program at once that takes the terminal after Ctrl-C', async () => {
  // Awaiting anything else before leaves the room for it.
  expect(await createExec().interactive(['sleep', '30'], { signal: AbortSignal.abort() })).toBe(129);
});

it('sends no signal for a program that could not be started', async () => {
  const kill = vi.spyOn(ChildProcess.prototype, 'kill').mockReturnValue(false);
  expect(await createExec().interactive(['no-such-program'], { signal: AbortSignal.abort() })).toBe(127);
  expect(kill).not.toHaveBeenCalled();
  kill.mockRestore();
});
