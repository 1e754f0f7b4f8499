/**
 * Phase `recover`: looks for pipelines that a dead check-in left behind, and says what the loop is going to do about
 * them. The loop does it, at its first tick and whenever it meets one later: setting a stage going again takes as long as
 * the stage.
 */
import { ORCHESTRATOR_OFF, type Settings } from '../../../../scripts/lib/contract.ts';
import { describeOrphan } from '../../loop/recovery.ts';
import { planTick, type View } from '../../loop/tick.ts';
import type { Phase } from '../run.ts';

export function recoverPhase(settings: () => Settings, observe: () => Promise<View>): Phase {
  return {
    name: 'recover',
    // What a killed git has left would stop the git of the first check-in, too.
    after: ['docker', 'credentials', 'clones'],
    timeoutMs: 60_000,
    gates: true,
    retryMs: null,
    async run() {
      if (!settings().orchestrator.enabled) return { status: 'off', message: ORCHESTRATOR_OFF };
      const tick = planTick(await observe());
      switch (tick.kind) {
        case 'adopt':
          return { status: 'ok', message: 'a check-in from before is still running and is waited for' };
        case 'repair': {
          const { repair } = tick;
          return { status: 'ok', message: `${describeOrphan(repair)}: ${repair.action} follows` };
        }
        case 'fetch-text':
          return { status: 'ok', message: `#${tick.issue} has no text yet: it is fetched` };
        case 'rest':
          // The heartbeat says why, and for how long: this record stays as it is.
          if (tick.state === 'refused') return { status: 'ok', message: `not looked yet: ${tick.reason}` };
          return { status: 'ok', message: tick.reason ?? 'nothing was interrupted' };
        case 'check-in':
          return { status: 'ok', message: tick.warning ?? 'nothing was interrupted' };
      }
    },
  };
}
