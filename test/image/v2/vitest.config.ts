import { defineConfig } from 'vitest/config';

// biome-ignore lint/style/noDefaultExport: vitest reads it
export default defineConfig({
  test: { include: ['test/image/v2/*.test.ts'], env: { NO_COLOR: '1' }, hookTimeout: 30 * 60_000 },
});
