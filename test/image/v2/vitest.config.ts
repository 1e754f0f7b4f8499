import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/image/v2/*.test.ts'], env: { NO_COLOR: '1' }, hookTimeout: 45 * 60_000 },
});
