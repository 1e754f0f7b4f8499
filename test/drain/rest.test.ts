import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SCHEMA } from '../../scripts/lib/contract.ts';
import { isAtRest, type RestWait, waitForRest } from '../../scripts/lib/drain/rest.ts';
import type { Frame } from '../../scripts/lib/transport/frame.ts';
import {
  type Transport,
  TransportError,
  type TransportErrorKind,
} from '../../scripts/lib/transport/transport.ts';
import { CLOCK, frame, heartbeat, type Parts, pipelinesJson, RUNNING, snapshot } from '../worker/samples.ts';

const drain = JSON.stringify({
  schema: SCHEMA,
  by: 'ann',
  host: 'laptop',
  since: '2026-03-02T11:00:00Z',
  reason: 'r',
  release: null,
});
const loop = (state: string) => JSON.stringify({ ...heartbeat, state });
const AT_REST: Parts = { drain, heartbeat: loop('drained') };
/** A stage that was begun `seconds` ago. */
const busy = (seconds: number): Parts => ({
  drain,
  clock: String(CLOCK + seconds),
  heartbeat: loop('checking-in'),
  locks: 'boot=held\ncheck-in=held',
  pipelines: pipelinesJson({ issue: 23, stage: 'qa' }),
});

describe('a drained worker is at rest', () => {
  it.each<[string, Parts, boolean]>([
    ['when its loop says so', AT_REST, true],
    ['not before its loop has seen it', { drain, heartbeat: loop('waiting') }, false],
    ['not while it checks in', { drain, heartbeat: loop('checking-in') }, false],
    [
      'not while another supervisor’s check-in runs',
      { ...AT_REST, locks: 'boot=held\ncheck-in=held' },
      false,
    ],
    ['without a loop at once', { drain, heartbeat: 'null' }, true],
    [
      'without a supervisor at once',
      { drain, heartbeat: loop('waiting'), locks: 'boot=free\ncheck-in=free' },
      true,
    ],
    ['never without a drain', { heartbeat: loop('drained') }, false],
  ])('%s', (_, parts, expected) => {
    expect(isAtRest(snapshot(parts))).toBe(expected);
  });
});

/** What one look finds, or fails with. */
type Look = Parts | TransportErrorKind;

/** Waits for a worker that answers as told, look after look; the last answer stays. */
function wait(looks: readonly Look[], options: Partial<RestWait> = {}) {
  const said: string[] = [];
  let entered = 0;
  let next = 0;
  const run = async (): Promise<Frame> => {
    const look = looks[Math.min(next++, looks.length - 1)] ?? {};
    if (typeof look === 'string') throw new TransportError(look, `it is ${look}`);
    return frame({ ...RUNNING, ...look });
  };
  const outcome = waitForRest({
    worker: 'w',
    enter: async () => {
      entered++;
      return { run } as Partial<Transport> as Transport;
    },
    timeoutMs: 1_000,
    limitMs: 60_000,
    signal: new AbortController().signal,
    say: (what) => said.push(what),
    // By the fake timers, which those of node:timers/promises are not.
    pause: (ms, signal) =>
      new Promise((resolve, reject) => {
        // The fake one.
        setTimeout(resolve, ms);
        signal.addEventListener('abort', reject);
      }),
    ...options,
  });
  // Looked at below; until then its failure is nobody's.
  outcome.catch(() => {});
  return { outcome, said, entered: () => entered };
}

describe('waiting for a drained worker to come to rest', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('ends when nothing runs any more, and says each news once, whatever its age', async () => {
    const { outcome, said, entered } = wait([busy(0), busy(60), busy(120), AT_REST]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await outcome).toMatchObject({ rests: true, snapshot: { drain: { by: 'ann' } } });
    expect(said).toEqual([expect.stringMatching(/^waits for demo#23 at stage qa \(check-in for 20s\)/)]);
    expect(entered()).toBe(1);
  });

  it.each(['unreachable', 'node-unreachable', 'not-running', 'timeout', 'broken'] as const)(
    'looks for the way in anew after: %s',
    async (kind) => {
      const { outcome, said, entered } = wait([busy(0), kind, AT_REST]);
      await vi.advanceTimersByTimeAsync(10_000);
      expect(await outcome).toMatchObject({ rests: true });
      expect(said).toEqual([expect.stringMatching(/^waits for/), `does not answer just now: it is ${kind}`]);
      expect(entered()).toBe(2);
    },
  );

  it.each(['forbidden', 'unauthorized', 'missing', 'program'] as const)(
    'is given up where asking again is no use: %s',
    async (kind) => {
      const { outcome } = wait([busy(0), kind, AT_REST]);
      await vi.advanceTimersByTimeAsync(10_000);
      await expect(outcome).rejects.toThrow(`it is ${kind}`);
    },
  );

  it('fails when somebody lifts the drain: work goes on, and nobody would ever say that it rests', async () => {
    const { outcome } = wait([busy(0), {}]);
    await vi.advanceTimersByTimeAsync(10_000);
    await expect(outcome).rejects.toThrow('the drain of w was lifted by someone else');
  });

  it('ends with the time, saying what it was at', async () => {
    const { outcome } = wait([busy(0)]);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(await Promise.race([outcome, 'still waiting'])).toBe('still waiting');
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await outcome).toEqual({
      rests: false,
      it: expect.stringMatching(/^waits for demo#23 at stage qa/),
    });
  });

  it('ends with Ctrl-C', async () => {
    const interrupt = new AbortController();
    const { outcome } = wait([busy(0)], { signal: interrupt.signal });
    await vi.advanceTimersByTimeAsync(1_000);
    interrupt.abort(new Error('interrupted'));
    await expect(outcome).rejects.toThrow('interrupted');
  });
});
