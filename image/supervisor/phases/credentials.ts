/** Phase `credentials`: whether the Secret's files are there. What they are worth is only known when they are used. */
import { join } from 'node:path';
import type { Phase, PhaseResult } from '../boot.ts';
import { howToBring, KEYS } from '../credentials.ts';
import type { Effects } from '../effects.ts';
import type { Environment } from '../environment.ts';

/** @param check asks what they are worth; null: nobody does */
export function credentialsPhase(
  environment: Environment,
  { files }: Effects,
  check: ((signal: AbortSignal) => Promise<PhaseResult>) | null,
): Phase {
  return {
    name: 'credentials',
    after: ['tmux'],
    timeoutMs: 20_000,
    gates: true,
    retryMs: null,
    async run(signal) {
      if (check !== null) return check(signal);
      const { dirs, pod } = environment;
      const missing = KEYS.filter((key) => !files.read(join(dirs.WORKER_SECRETS_DIR, key))?.trim());
      if (missing.length === 0) return { status: 'ok', message: `${KEYS.join(', ')} are there` };
      if (!pod && missing.length === KEYS.length) {
        return { status: 'off', message: 'none given: claude and gh of this machine use what they find' };
      }
      return {
        status: 'missing',
        message: `${missing.join(', ')} missing: ${howToBring(environment, missing, [])}`,
      };
    },
  };
}
