import { defineConfig } from 'vitest/config';

/** The real claude, which make test-agents fetches. Two files at once: most of their time is waiting. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/agents/*.test.ts'],
    // The supervisor of local workers.
    globalSetup: ['test/support/fresh-bundle.ts'],
    setupFiles: ['test/support/signals.ts'],
    env: { NO_COLOR: '1', FORCE_COLOR: '0', CI: '', FACTORY_WORKERS: '' },
    maxWorkers: 2,
    maxConcurrency: 2,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
