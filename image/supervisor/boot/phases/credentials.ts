/** Phase `credentials`: whether they exist, and in a pod whether they are valid. A failure does not stop the boot. */
import type { Phase } from '../run.ts';

export function credentialsPhase(check: Phase['run']): Phase {
  return {
    name: 'credentials',
    after: ['tmux'],
    timeoutMs: 20_000,
    gates: true,
    retryMs: null,
    run: check,
  };
}
