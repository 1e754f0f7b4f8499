import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { isRunning, parent, processesMentioning, processesWith, withoutForks } from './processes.ts';

describe('processes', () => {
  it('are found by what they and their children carry, and not once they have ended', async () => {
    const mark = `MARK=${process.pid}-${Date.now()}`;
    const child = spawn('sh', ['-c', 'sleep 300 & echo $!; wait'], {
      env: { PATH: process.env['PATH'], MARK: mark.slice('MARK='.length) },
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const both = [Number(child.pid), Number(line)].sort();
    await expect.poll(() => processesWith(mark).sort()).toEqual(both);
    expect(processesMentioning(mark.slice(3)).sort()).toEqual(both);
    expect([parent(Number(line)), isRunning(Number(line))]).toEqual([child.pid, true]);
    process.kill(-Number(child.pid), 'SIGKILL');
    await expect.poll(() => [processesWith(mark), both.filter(isRunning)]).toEqual([[], []]);
  });

  it('that were forked a moment ago, and still look like what forked them, are not taken for it', () => {
    const parents: Record<number, number | null> = { 10: 1, 11: 10, 12: 11, 20: 1, 30: null };
    expect(withoutForks([10, 11, 12, 20, 30], (pid) => parents[pid] ?? null)).toEqual([10, 20]);
  });
});
