/** What tests of pure functions talk about: a worker in a cluster, and an operator who types `factory-worker`. */
import { shellQuote } from '../../scripts/lib/cli/text.ts';
import type { ClusterWorker } from '../../scripts/lib/config/worker-entry.ts';

export const WORKER: ClusterWorker = {
  runtime: 'kubernetes',
  name: 'worker-1',
  pod: 'factory-worker-1',
  namespace: 'factory',
  context: 'do-nyc1-factory',
};

/** The `commandLine` of a context: a command as it can be typed. */
export function commandLine(name: string, ...args: readonly string[]): string {
  return ['factory-worker', name, ...args.map(shellQuote)].join(' ');
}
