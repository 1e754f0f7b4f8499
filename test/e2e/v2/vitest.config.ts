import { defineConfig } from 'vitest/config';
import { shared } from '../vitest.config.ts';

// An emulated node is slow.
export default defineConfig({
  test: {
    ...shared,
    include: ['test/e2e/v2/*.test.ts'],
    globalSetup: ['test/e2e/require-cluster.ts'],
    testTimeout: 600_000,
    hookTimeout: 900_000,
  },
});
