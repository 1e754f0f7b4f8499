import { describe, expect, it } from 'vitest';
import { fitIntoGrace, runShutdown, type Stoppable, shutdownSteps } from '../../image/supervisor/shutdown.ts';
import { fakeClock, fakeFiles, fakeLog, fakeProcesses, fakeTmux, settle } from './fakes.ts';

interface Options {
  readonly graceSeconds?: number | null;
  readonly docker?: Stoppable['docker'];
  readonly database?: Stoppable['database'];
}

function world(
  working: string | null,
  waitForStageSeconds = 100,
  { graceSeconds = null, docker = null, database = null }: Options = {},
) {
  const clock = fakeClock();
  const { lines, log } = fakeLog();
  const files = fakeFiles();
  const processes = fakeProcesses(files, { run: () => ({}) });
  const fake = fakeTmux(clock);
  fake.sessions = new Map();
  const skipStageWait = new AbortController();
  let endLoop: () => void = () => {};
  const events: string[] = [];
  const steps = shutdownSteps(
    {
      loopEnded: new Promise((resolve) => {
        endLoop = resolve;
      }),
      working: () => working,
      checkInGroups: () => [...processes.groups].filter((group) => group < 100),
      limits: { waitForStageSeconds, graceSeconds },
      skipStageWait: skipStageWait.signal,
      closeRecordings: async () =>
        void events.push(`recordings closed ${fake.sessions === null ? 'after' : 'before'} tmux`),
      releaseLock: () => events.push('lock released'),
      docker,
      database,
    },
    { clock, processes, tmux: fake.tmux, files, log },
  );
  let done = false;
  const run = runShutdown(steps, { clock, log }).then(() => {
    done = true;
  });
  return { clock, endLoop, events, fake, skipStageWait, isDone: () => done, lines, processes, run };
}

function session(name: string) {
  return { name, createdAt: 0, windowActivity: 0, attached: 0, bareShell: false };
}

describe('the shutdown', () => {
  it('is quick when nothing runs, and keeps its order', async () => {
    const it_ = world(null);
    await it_.run;
    expect(it_.lines).toEqual([
      'stop tell attached clients 0.0s',
      'stop wait for the running stage 0.0s: nothing is running',
      'stop end the check-in 0.0s',
      'stop end the agents 0.0s',
      'stop end tmux 0.0s',
      'stop release the lock 0.0s',
    ]);
    expect(it_.fake.calls).toEqual([expect.stringMatching(/^tell This worker is stopping/), 'kill server']);
    expect(it_.events).toEqual(['recordings closed after tmux', 'lock released']);
  });

  it('stops a database of its own after everything that writes to it', async () => {
    const it_ = world(null, 100, { database: { stop: async () => 'was slow' } });
    await it_.run;
    expect(it_.lines.slice(-3)).toEqual([
      'stop end tmux 0.0s',
      'stop stop the database 0.0s: was slow',
      'stop release the lock 0.0s',
    ]);
  });

  it('waits for a running stage, says so every 30 s, and ends nothing before it', async () => {
    const it_ = world('check-in in demo');
    it_.processes.groups.add(50);
    await it_.clock.advance(65_000);
    expect(it_.lines.filter((line) => line.startsWith('waiting'))).toEqual([
      'waiting for check-in in demo, at most 100s more',
      'waiting for check-in in demo, at most 70s more',
      'waiting for check-in in demo, at most 40s more',
    ]);
    expect(it_.processes.signals).toEqual([]);
    it_.processes.groups.delete(50);
    it_.endLoop();
    await it_.clock.advance(0);
    await it_.run;
    expect(it_.lines).toContain('stop wait for the running stage 65s: check-in in demo has ended');
    expect(it_.processes.signals).toEqual([]);
  });

  it('does not wait longer than it may, then ends the check-in', async () => {
    const it_ = world('check-in in demo', 100);
    it_.processes.groups.add(50);
    await it_.clock.advance(99_999);
    expect(it_.processes.signals).toEqual([]);
    await it_.clock.advance(2_000);
    await it_.run;
    expect(it_.processes.signals).toEqual(['SIGTERM 50']);
    expect(it_.lines).toContain(
      'stop end the check-in 0.0s: ended in the middle of a stage; the next start picks it up again',
    );
  });

  it('does not wait at all after a second signal', async () => {
    const it_ = world('check-in in demo');
    await it_.clock.advance(1_000);
    it_.skipStageWait.abort();
    await it_.clock.advance(0);
    await it_.run;
    expect(it_.lines).toContain(
      'stop wait for the running stage 1.0s: not waiting any longer for check-in in demo',
    );
  });

  it('kills a check-in that does not obey', async () => {
    const it_ = world('check-in in demo', 0);
    it_.processes.groups.add(50);
    it_.processes.stubborn.add(50);
    await it_.clock.advance(20_000);
    await it_.run;
    expect(it_.processes.signals).toEqual(['SIGTERM 50', 'SIGKILL 50']);
  });

  it('ends the jobs of an agent’s pane before its shell, and leaves our own panes to the end of tmux', async () => {
    const it_ = world(null);
    it_.fake.sessions = new Map(['boot', '42-qa-1', 'orchestrator'].map((name) => [name, session(name)]));
    // The second pane's shell is process 101; its job leads group 1010.
    it_.processes.groups.add(101).add(1010);
    await it_.run;
    expect(it_.processes.signals).toEqual(['SIGTERM 1010', 'SIGTERM 101']);
    expect(it_.fake.calls.slice(1)).toEqual(['kill 42-qa-1', 'kill server']);
    expect(it_.lines).toContain('stop end the agents 0.0s: 42-qa-1');
  });

  it('a shell that ignores SIGTERM costs a second, an agent that does five, and then they are killed', async () => {
    const it_ = world(null);
    it_.fake.sessions = new Map([['42-qa-1', session('42-qa-1')]]);
    for (const group of [100, 1000]) {
      it_.processes.groups.add(group);
      it_.processes.stubborn.add(group);
    }
    await it_.clock.advance(30_000);
    await it_.run;
    expect(it_.processes.signals).toEqual(['SIGTERM 1000', 'SIGKILL 1000', 'SIGTERM 100', 'SIGKILL 100']);
    expect(it_.lines.find((line) => line.startsWith('stop end the agents'))).toMatch(/ 6\.\ds: 42-qa-1/);
  });

  it.each([
    ['the chart’s own values', 1200, 1500],
    ['the least that the chart accepts', 1200, 1260],
    ['nothing to wait for', 0, 60],
    ['a wait that leaves no time', 3600, 120],
    ['far too little', 1200, 10],
  ])('ends within the grace period although nothing obeys: %s', async (_case, wait, graceSeconds) => {
    const never = () => new Promise<string>(() => {});
    const it_ = world('check-in in demo', wait, {
      graceSeconds,
      docker: { stopContainers: never, stop: never },
    });
    it_.fake.sessions = new Map([['42-qa-1', session('42-qa-1')]]);
    it_.fake.tmux.killServer = never as never;
    for (const group of [50, 100, 1000]) {
      it_.processes.groups.add(group);
      it_.processes.stubborn.add(group);
    }
    const started = it_.clock.now();
    let took = Number.POSITIVE_INFINITY;
    void it_.run.then(() => {
      took = (it_.clock.now() - started) / 1000;
    });
    await it_.clock.advance(4_000_000);
    expect(took).toBeLessThan(graceSeconds);
    expect(it_.processes.groups).toEqual(new Set());
    expect(it_.events).toEqual(['lock released']);
  });

  it.each([
    ['nobody kills', null, 1200, { waitMs: 1_200_000, scale: 1 }],
    ['room for everything', 1500, 1200, { waitMs: 1_200_000, scale: 1 }],
    ['the steps after the wait give way first', 1260, 1200, { waitMs: 1_200_000, scale: 0.55 }],
    ['then the wait', 1200, 1200, { waitMs: 1_145_000, scale: 0.5 }],
    ['then the steps again', 45, 1200, { waitMs: 0, scale: 0.4 }],
    ['nothing is left', 3, 1200, { waitMs: 0, scale: 0 }],
  ])('%s', (_case, graceSeconds, waitSeconds, expected) => {
    expect(fitIntoGrace(graceSeconds, waitSeconds * 1000, 100_000)).toEqual(expected);
  });

  it('goes on after a step that fails or hangs', async () => {
    const clock = fakeClock();
    const { lines, log } = fakeLog();
    const run = runShutdown(
      [
        { name: 'one', limitMs: 1_000, run: () => Promise.reject(new Error('boom')) },
        { name: 'two', limitMs: 2_000, run: () => new Promise(() => {}) },
        { name: 'three', limitMs: 1_000, run: async () => 'fine' },
      ],
      { clock, log },
    );
    await settle();
    await clock.advance(2_000);
    await run;
    expect(lines).toEqual([
      'stop one 0.0s: failed: boom',
      'stop two 2.0s: not done after 2.0s, continuing',
      'stop three 0.0s: fine',
    ]);
  });
});
