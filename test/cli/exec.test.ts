import { ChildProcess } from 'node:child_process';
import { describe, expect, it, vi } from 'vitest';
import { createExec, LIMITS } from '../../scripts/lib/exec.ts';

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

describe('what a program prints', () => {
  const exec = createExec();

  it('is kept up to a limit, at which the program is ended', async () => {
    expect(await exec.run(['yes'], { maxBytes: 100_000 })).toMatchObject({
      stdout: Buffer.alloc(0),
      overflowedAt: 100_000,
      timedOut: false,
    });
    const exactly = await exec.run(['head', '--bytes=100000', '/dev/zero'], { maxBytes: 100_000 });
    expect([exactly.code, exactly.stdout.length, exactly.overflowedAt]).toEqual([0, 100_000, undefined]);
  });

  it('is ended also where it does not obey', async () => {
    const stubborn = 'trap "" TERM PIPE; while :; do echo flood || :; done 2>/dev/null';
    const { code, overflowedAt } = await exec.run(['bash', '-c', stubborn], { maxBytes: 10_000 });
    expect([code, overflowedAt]).toEqual([137, 10_000]);
  });

  it('on stderr is kept at its beginning and its end', async () => {
    const script = 'echo first >&2; head --bytes=200000 /dev/zero | tr "\\0" x >&2; echo last >&2; exit 3';
    const { code, stderr } = await exec.run(['bash', '-c', script]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^first\nx+\n… \d+ bytes left out …\nx+last\n$/);
    expect(stderr.length).toBeLessThan(LIMITS.stderrBytes + 100);
    expect((await exec.run(['bash', '-c', 'printf "a\\né" >&2'])).stderr).toBe('a\né');
  });
});
