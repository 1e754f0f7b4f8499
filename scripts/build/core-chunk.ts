/**
 * Puts the modules that nearly every command needs into one chunk of the bundle.
 *
 * esbuild makes a chunk for each set of modules that share the same lazily loaded users: `list` was 27 files, and finding,
 * reading and linking one takes 0.4 ms. So in the bundle every lazy module imports the whole core, and the core is one chunk.
 */
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';
import { packageRoot } from '../lib/cli/version.ts';

/** The core: these, and everything they import. */
const CORE = [
  'lib/cli/output.ts',
  'lib/cli/output-flags.ts',
  'lib/cli/pause.ts',
  'lib/cli/run.ts',
  'lib/config/duration.ts',
  'lib/config/flags.ts',
  'lib/config/workers-file.ts',
  'lib/config/user.ts',
  'lib/health/observe.ts',
  'lib/health/outages.ts',
  'lib/health/short-cause.ts',
  'lib/worker/arguments.ts',
  'lib/worker/fan-out.ts',
  'lib/worker/observe.ts',
  'lib/worker/positionals.ts',
  'summaries.ts',
];

export const coreInOneChunk: Plugin = {
  name: 'core-in-one-chunk',
  setup(build) {
    build.onResolve({ filter: /^\..*\.ts$/ }, ({ path, kind, resolveDir }) =>
      kind === 'dynamic-import' ? { path: join(resolveDir, path), namespace: 'lazy' } : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'lazy' }, ({ path }) => {
      const core = CORE.map((file) => join(packageRoot(), 'scripts', file));
      return {
        contents: [...core.map((file) => `import '${file}';`), `export * from '${path}';`].join('\n'),
        resolveDir: dirname(path),
      };
    });
  },
};
