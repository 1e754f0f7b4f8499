import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { filesOf, type Project } from './test/projects.ts';

const project = (
  name: Project,
  test: TestProjectInlineConfiguration['test'] = {},
): TestProjectInlineConfiguration => ({
  extends: true,
  test: { name, ...filesOf(name), maxWorkers: 4, ...test },
});

export default defineConfig({
  test: {
    projects: [
      // One process for many files: half the time goes into loading the same modules otherwise.
      project('unit', { isolate: false }),
      project('smoke'),
      project('chart'),
      project('contract'),
      project('hostile'),
      // Its files wait more than they compute: more of them than there are processors, after the others.
      project('worker', { maxWorkers: 6, sequence: { groupOrder: 1 } }),
      // As many workers as it wants in one file: alone.
      project('recovery', { sequence: { groupOrder: 2 } }),
    ],
    reporters: ['default', './test/support/skips.ts'],
    globalSetup: ['test/support/fresh-bundle.ts'],
    setupFiles: ['test/support/signals.ts', 'test/support/properties.ts'],
    // The tests decide these themselves; a developer's own settings must not leak in.
    env: { NO_COLOR: '1', FORCE_COLOR: '0', CI: '', FACTORY_WORKERS: '' },
    // How long what a test waits for may take: a guard, and no measure.
    expect: { poll: { timeout: 60_000, interval: 50 } },
    // They end what hangs. No test may depend on them: the machine may be busy with something else.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
