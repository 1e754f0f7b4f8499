import { defineConfig } from 'vitest/config';

/** These take parts of the cluster away, from everybody, or add a node to it. */
const ALONE = ['control-plane', 'container-runtime', 'two-nodes'].map((name) => `test/e2e/${name}.test.ts`);
/** In a cluster that is not ours (E2E_CONTEXT): what harms nobody, in one namespace. */
const HARMLESS = ['commands', 'stream', 'race', 'credentials'].map((name) => `test/e2e/${name}.test.ts`);
const foreign = Boolean(process.env['E2E_CONTEXT']);

/**
 * For kubectl and Helm, which run for a moment and many times: to collect garbage is a quarter of what kubectl costs.
 * Where one runs long, it begins to at that limit.
 */
const WITHOUT_GC = { GOGC: 'off', GOMEMLIMIT: '512MiB' };

export const shared = {
  root: new URL('../..', import.meta.url).pathname,
  setupFiles: ['test/support/signals.ts', 'test/e2e/exit-with.ts'],
  env: { NO_COLOR: '1', FORCE_COLOR: '', CI: '', FACTORY_WORKERS: '', ...WITHOUT_GC },
  testTimeout: 240_000,
  hookTimeout: 300_000,
};

// Not part of `make test`: `make e2e`, with the cluster of `make cluster`. Most of a test's time is waiting, so that some
// files at once take hardly more processor than one.
export default defineConfig({
  test: {
    globalSetup: [new URL('require-cluster.ts', import.meta.url).pathname],
    projects: foreign
      ? [{ test: { ...shared, name: 'harmless', include: HARMLESS, fileParallelism: false } }]
      : [
          {
            test: {
              ...shared,
              name: 'together',
              include: ['test/e2e/*.test.ts'],
              exclude: ALONE,
              maxWorkers: 4,
              sequence: { groupOrder: 0 },
            },
          },
          {
            test: {
              ...shared,
              name: 'alone',
              include: ALONE,
              fileParallelism: false,
              sequence: { groupOrder: 1 },
            },
          },
        ],
  },
});
