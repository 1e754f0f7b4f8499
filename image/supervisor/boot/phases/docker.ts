/** Phase `docker`: `off` where the worker has no Docker daemon of its own. Starting one is a pod-only step. */
import type { Settings } from '../../../../scripts/lib/contract.ts';
import type { DockerDaemon } from '../../docker/daemon.ts';
import type { Phase } from '../run.ts';

/** @param docker null: this worker has none */
export function dockerPhase(docker: DockerDaemon | null, settings: () => Settings): Phase {
  return {
    name: 'docker',
    // In parallel with tmux: it takes longest of all phases.
    after: ['checks'],
    timeoutMs: 120_000,
    gates: true,
    retryMs: null,
    async run(signal) {
      if (docker === null) return { status: 'off', message: 'a local worker has no Docker of its own' };
      if (!settings().docker.enabled) return { status: 'off', message: 'docker.enabled is false' };
      // Once: a start that fails is retried in the background, and nothing else has to wait for it.
      return docker.start(signal);
    },
  };
}
