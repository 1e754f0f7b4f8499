/** Phase `orchestrator`: the session that shows the check-ins, and the loop that makes them. */
import type { Settings } from '../../../scripts/lib/contract.ts';
import type { Phase } from '../boot.ts';
import type { Sessions } from '../sessions.ts';

export function orchestratorPhase(
  sessions: Sessions,
  settings: () => Settings,
  startLoop: () => void,
): Phase {
  return {
    name: 'orchestrator',
    after: ['recover'],
    timeoutMs: 20_000,
    gates: true,
    retryMs: 10_000,
    async run(signal) {
      await sessions.startOrchestrator();
      if (!signal.aborted) startLoop();
      return settings().orchestrator.enabled
        ? { status: 'ok', message: '' }
        : { status: 'off', message: 'orchestrator.enabled is false' };
    },
  };
}
