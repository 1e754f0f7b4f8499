import { describe, expect, it } from 'vitest';
import { createBootRecord } from '../../../image/supervisor/boot/record.ts';
import { type Phase, type PhaseResult, runBoot } from '../../../image/supervisor/boot/run.ts';
import type { Boot } from '../../../scripts/lib/contract.ts';
import { fakeClock, settle } from '../fakes.ts';

const OK: PhaseResult = { status: 'ok', message: '' };

function phase(name: string, after: string[], overrides: Partial<Phase> = {}): Phase {
  return { name, after, timeoutMs: 5_000, gates: true, retryMs: null, run: async () => OK, ...overrides };
}

/** Runs a table and keeps what it published and announced. */
function boot(phases: Phase[]) {
  const clock = fakeClock();
  const published: Boot[] = [];
  const lines: string[] = [];
  const stop = new AbortController();
  const record = createBootRecord(
    clock,
    { bootId: 'b', podUid: null, image: null },
    (boot) => published.push(boot),
    (line) => lines.push(line),
  );
  let ended = false;
  const run = runBoot(phases, { clock, record, signal: stop.signal }).then(() => {
    ended = true;
  });
  const states = () =>
    Object.fromEntries((published.at(-1)?.phases ?? []).map(({ name, status }) => [name, status]));
  return { clock, lines, published, record, run, states, stop, hasEnded: () => ended };
}

/** A phase that takes some time of the fake clock. */
function lasting(ms: number, result: PhaseResult, clock: () => ReturnType<typeof fakeClock>): Phase['run'] {
  return async (signal) => {
    await clock().sleep(ms, signal);
    return result;
  };
}

describe('the boot table', () => {
  it('starts a phase when those before it have ended, and runs independent ones side by side', async () => {
    let world: ReturnType<typeof boot>;
    const clock = () => world.clock;
    world = boot([
      phase('lock', [], { run: lasting(100, OK, clock) }),
      phase('tmux', ['lock'], { run: lasting(100, OK, clock) }),
      phase('docker', ['tmux'], { run: lasting(3_000, OK, clock) }),
      phase('credentials', ['tmux'], { run: lasting(200, { status: 'missing', message: 'no' }, clock) }),
      phase('recover', ['docker', 'credentials'], { run: lasting(100, OK, clock) }),
    ]);
    await world.clock.advance(150);
    expect(world.states()).toEqual({ lock: 'ok', tmux: 'running' });
    await world.clock.advance(300);
    expect(world.states()).toEqual({ lock: 'ok', tmux: 'ok', docker: 'running', credentials: 'missing' });
    await world.clock.advance(3_000);
    await world.run;
    const last = world.published.at(-1);
    expect(last?.finishedAt).toBe('2026-11-22T15:12:18Z');
    expect(last?.phases.map(({ name, ms }) => [name, ms])).toEqual([
      ['lock', 100],
      ['tmux', 100],
      ['docker', 3_000],
      ['credentials', 200],
      ['recover', 100],
    ]);
    expect(world.lines).toContain('phase docker ok 3.0s');
    expect(world.lines).toContain('phase credentials missing 0.2s: no');
  });

  it('gives up on a phase that does not end in time, though it ignores its signal, and goes on', async () => {
    const world = boot([
      phase('docker', [], { timeoutMs: 2_000, run: () => new Promise(() => {}) }),
      phase('next', ['docker']),
    ]);
    await world.clock.advance(1_999);
    expect(world.states()).toEqual({ docker: 'running' });
    await world.clock.advance(1);
    await world.run;
    expect(world.states()).toEqual({ docker: 'failed', next: 'ok' });
    expect(world.lines).toContain('phase docker failed 2.0s: not done after 2.0s');
  });

  it('takes an exception for a failure with its words', async () => {
    const world = boot([phase('tmux', [], { run: () => Promise.reject(new Error('no server')) })]);
    await world.run;
    expect(world.lines).toEqual(['phase tmux failed 0.0s: no server']);
  });

  it('tries a phase again that the rest cannot do without; meanwhile nothing after it begins', async () => {
    let tries = 0;
    const world = boot([
      phase('tmux', [], {
        retryMs: 10_000,
        run: async () => {
          tries += 1;
          return tries < 3 ? { status: 'failed', message: 'no socket' } : OK;
        },
      }),
      phase('next', ['tmux']),
    ]);
    await world.clock.advance(9_999);
    expect(world.states()).toEqual({ tmux: 'failed' });
    await world.clock.advance(5_000);
    expect(world.states()).toEqual({ tmux: 'failed' });
    expect(world.hasEnded()).toBe(false);
    await world.clock.advance(10_000);
    await world.run;
    expect(world.states()).toEqual({ tmux: 'ok', next: 'ok' });
    expect(world.lines.filter((line) => line.startsWith('phase tmux'))).toEqual([
      'phase tmux failed 0.0s: no socket (tried again every 10s)',
      'phase tmux ok 20s',
    ]);
  });

  it('is finished without the phases of the background, whose state may change afterwards', async () => {
    const world = boot([
      phase('clones', [], { gates: false, timeoutMs: null, run: () => new Promise(() => {}) }),
      phase('orchestrator', []),
    ]);
    await world.run;
    expect(world.published.at(-1)?.finishedAt).not.toBeNull();
    expect(world.states()).toEqual({ clones: 'running', orchestrator: 'ok' });
    world.record.note('clones', 'ok', 'demo: ok');
    expect(world.states()).toEqual({ clones: 'ok', orchestrator: 'ok' });
    const published = world.published.length;
    world.record.note('clones', 'ok', 'demo: ok');
    expect(world.published).toHaveLength(published);
  });

  it('ends at once when the worker is told to stop, in whatever phase, and is then not finished', async () => {
    for (const stuck of ['lock', 'checks', 'tmux']) {
      const world = boot(
        ['lock', 'checks', 'tmux'].map((name, index, names) =>
          phase(name, names.slice(0, index), {
            timeoutMs: null,
            ...(name === stuck ? { run: () => new Promise(() => {}) } : {}),
          }),
        ),
      );
      await settle();
      expect(world.states()[stuck]).toBe('running');
      world.stop.abort();
      await world.run;
      expect(world.published.at(-1)?.finishedAt).toBeNull();
    }
  });

  it('shows what a phase waits for, but not after its end', async () => {
    let say: (message: string) => void = () => {};
    const world = boot([
      phase('lock', [], {
        timeoutMs: 1_000,
        run: (_signal, progress) => {
          say = progress;
          progress('held by another');
          return new Promise(() => {});
        },
      }),
    ]);
    await settle();
    expect(world.lines).toEqual(['phase lock running: held by another']);
    await world.clock.advance(1_000);
    say('too late');
    expect(world.lines.at(-1)).toBe('phase lock failed 1.0s: not done after 1.0s');
  });

  it('refuses a table in which a phase comes before one that it needs', async () => {
    const world = boot([]);
    await expect(
      runBoot([phase('tmux', ['lock']), phase('lock', [])], {
        clock: world.clock,
        record: world.record,
        signal: world.stop.signal,
      }),
    ).rejects.toThrow('phase tmux needs "lock"');
  });
});
