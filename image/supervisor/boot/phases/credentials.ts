/** Phase `credentials`: whether they are there, and in a pod what they are worth. Neither stops a boot. */
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
