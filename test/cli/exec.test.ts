import { expect, it } from 'vitest';
import { createExec } from '../../scripts/lib/exec.ts';

it('ends a program at once that takes the terminal after Ctrl-C', async () => {
  // Awaiting anything else before leaves the room for it.
  expect(await createExec().interactive(['sleep', '30'], { signal: AbortSignal.abort() })).toBe(129);
});
