import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/image/**', 'test/agents/**'],
    setupFiles: ['test/support/signals.ts'],
    // The tests decide these themselves; a developer's own settings must not leak in.
    env: { NO_COLOR: '1', FORCE_COLOR: '0', CI: '', FACTORY_WORKERS: '' },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
