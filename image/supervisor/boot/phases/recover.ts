/**
 * Phase `recover`: looks for pipelines that a dead check-in left behind, and reports what the loop is going to do about
 * them. The loop does it, at its first tick and whenever it finds one later, since running a stage again takes as long as the
 * stage.
 */
import { ORCHESTRATOR_OFF, type Settings } from '../../../../scripts/lib/contract.ts';
import { describeOrphan } from '../../loop/recovery.ts';
import { planTick } from '../../loop/tick.ts';
import type { View } from '../../loop/view.ts';
import type { Phase } from '../run.ts';

export function recoverPhase(settings: () => Settings, observe: () => Promise<View>): Phase {
  return {
    name: 'recover',
    // Locks of a killed git process would also make the git calls of the first check-in fail.
    after: ['docker', 'credentials', 'clones'],
    timeoutMs: 60_000,
    gates: true,
    retryMs: null,
    async run() {
      if (!settings().orchestrator.enabled) return { status: 'off', message: ORCHESTRATOR_OFF };
      const tick = planTick(await observe());
      switch (tick.kind) {
        case 'adopt':
          return { status: 'ok', message: 'waiting for an earlier check-in that is still running' };
        case 'repair': {
          const { repair } = tick;
          return { status: 'ok', message: `${describeOrphan(repair)}: ${repair.action} follows` };
        }
        case 'give-intent':
          return { status: 'ok', message: `#${tick.lost.issue} has no intent yet: its row has it` };
        case 'fetch-text':
          return { status: 'ok', message: `#${tick.issue} has no text yet: fetching it` };
        case 'rest':
          // The heartbeat reports why, and for how long; this record is not updated.
          if (tick.state === 'refused') return { status: 'ok', message: `not looked yet: ${tick.reason}` };
          return { status: 'ok', message: tick.reason ?? 'nothing was interrupted' };
        case 'check-in':
          return { status: 'ok', message: tick.warning ?? 'nothing was interrupted' };
      }
    },
  };
}
