/**
 * Phase `orchestrator`: the session that shows the check-ins, and the loop that runs them. `off` distinguishes a loop that was
 * switched off on purpose from one that cannot work. The phase follows the settings, which may change at any time.
 */
import { ORCHESTRATOR_OFF, type Settings } from '../../../../scripts/lib/contract.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import type { Phase, PhaseResult } from '../run.ts';

export const ORCHESTRATOR_PHASE = 'orchestrator';

/** The state of the phase once its loop runs. */
export function orchestratorState({ orchestrator }: Settings): PhaseResult {
  return orchestrator.enabled ? { status: 'ok', message: '' } : { status: 'off', message: ORCHESTRATOR_OFF };
}

export function orchestratorPhase(
  sessions: Sessions,
  settings: () => Settings,
  startLoop: () => void,
): Phase {
  return {
    name: ORCHESTRATOR_PHASE,
    after: ['recover'],
    timeoutMs: 20_000,
    gates: true,
    retryMs: 10_000,
    async run(signal) {
      await sessions.startOrchestrator();
      if (!signal.aborted) startLoop();
      return orchestratorState(settings());
    },
  };
}
