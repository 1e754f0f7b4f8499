import { defineConfig } from 'vitest/config';

// Not part of `make test`: `make e2e`, with the cluster of `make cluster`.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/e2e/**/*.test.ts'],
    env: { NO_COLOR: '1', FORCE_COLOR: '', CI: '', FACTORY_WORKERS: '' },
    // One cluster, of which tests take parts away: never two files at once.
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 300_000,
    globalSetup: ['test/e2e/require-cluster.ts'],
  },
});
