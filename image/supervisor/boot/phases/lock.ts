/**
 * Phase `lock`: one supervisor per state volume. After a plain deletion of a pod two pods were seen on one ReadWriteOnce
 * volume for 24 seconds, so the lock is waited for before anything on the volume is touched.
 */
import { dirname } from 'node:path';
import type { Effects, Held } from '../../effects/effects.ts';
import { describeHolder, hold, type LockHolder } from '../../effects/locks.ts';
import type { Environment } from '../../environment.ts';
import { untilAborted } from '../../util/abort.ts';
import { messageOf } from '../../util/errors.ts';
import { timestamp } from '../../util/time.ts';
import type { Phase } from '../run.ts';

/** A longer wait is logged. */
const PATIENCE_MS = 500;
const REGAIN_MS = 2_000;

export interface BootLock {
  readonly phase: Phase;
  isHeld(): boolean;
  release(): void;
}

/** @param lost called when the lock was lost to another supervisor: from then on nothing may be touched */
export function createBootLock(environment: Environment, effects: Effects, lost: () => void): BootLock {
  const { dirs, paths } = environment;
  const { clock, files, processes } = effects;
  let held: Held | null = null;

  /** flock's own message is not captured; usually the volume is the cause. */
  const whyNot = (code: number): string => {
    try {
      files.probeWritable(dirs.WORKER_STATE_DIR);
    } catch (error) {
      return `${messageOf(error)}; see: df -h ${dirs.WORKER_STATE_DIR}`;
    }
    return `flock ended with exit code ${code}`;
  };

  const acquire = async (
    signal: AbortSignal,
    progress: (message: string) => void,
  ): Promise<'ok' | string> => {
    files.makeDirectory(dirname(paths.bootLock));
    const asked = hold(processes, paths.bootLock);
    const patience = new AbortController();
    void clock.sleep(PATIENCE_MS, AbortSignal.any([signal, patience.signal])).then(() => {
      if (patience.signal.aborted || signal.aborted) return;
      progress(`waiting: ${describeHolder(files, paths.bootLock)} has this worker's state`);
    });
    const answer = await Promise.race([
      asked.firstLine,
      asked.exited.then((code) => `cannot lock ${paths.bootLock}: ${whyNot(code)}`),
      untilAborted(signal).then(() => 'stopped'),
    ]);
    patience.abort();
    if (answer !== 'locked') {
      asked.release();
      return answer;
    }
    held = asked;
    void asked.exited.then(() => {
      if (held === asked) void regain();
    });
    const holder: LockHolder = {
      pid: process.pid,
      host: environment.host,
      pod: environment.podName,
      since: timestamp(clock.now()),
    };
    try {
      // In place: a new file would be a different lock.
      files.overwrite(paths.bootLock, `${JSON.stringify(holder)}\n`);
    } catch {
      // It is only for people; the phase `checks` reports that the volume cannot be written.
    }
    return 'ok';
  };

  /** The process that held the lock for us was killed. The lock is free again, unless another supervisor was waiting for it. */
  const regain = async (): Promise<void> => {
    held = null;
    const limit = new AbortController();
    void clock.sleep(REGAIN_MS, limit.signal).then(() => limit.abort());
    const answer = await acquire(limit.signal, () => {});
    limit.abort();
    if (answer !== 'ok') lost();
  };

  return {
    isHeld: () => held !== null,
    release() {
      const mine = held;
      held = null;
      mine?.release();
    },
    phase: {
      name: 'lock',
      after: [],
      timeoutMs: null,
      gates: true,
      retryMs: 10_000,
      async run(signal, progress) {
        files.makeDirectory(dirs.WORKER_RUN_DIR);
        const answer = held === null ? await acquire(signal, progress) : 'ok';
        if (answer !== 'ok') return { status: 'failed', message: answer };
        // Only with the lock: before, these may have belonged to another supervisor.
        files.write(paths.bootLog, '');
        await files.remove(paths.heartbeat);
        return { status: 'ok', message: '' };
      },
    },
  };
}
