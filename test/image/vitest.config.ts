import { defineConfig } from 'vitest/config';

/** One container at a time: they share two cores, and some tests measure. */
export default defineConfig({
  test: {
    include: ['test/image/*.test.ts'],
    setupFiles: ['test/support/signals.ts'],
    env: { NO_COLOR: '1' },
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
