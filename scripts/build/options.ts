/** What goes into the bundles, and how. */
import { join } from 'node:path';
import type { BuildOptions } from 'esbuild';
import { packageRoot } from '../lib/cli/version.ts';
import { coreInOneChunk } from './core-chunk.ts';
import { precompiledSchemas } from './precompile.ts';

const root = packageRoot();

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  legalComments: 'none',
  plugins: [precompiledSchemas],
  logLevel: 'warning',
  outdir: join(root, 'dist'),
} as const satisfies BuildOptions;

/** The umbrella command. A command loads only the chunks that it uses. */
export const commands = {
  ...shared,
  entryPoints: { 'factory-worker': join(root, 'scripts/factory-worker.ts') },
  plugins: [...shared.plugins, coreInOneChunk],
  splitting: true,
  // The other build of yaml is CommonJS, which takes 7 ms longer to load.
  alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
  chunkNames: 'chunks/[name]-[hash]',
  minifySyntax: true,
  // Some packages are CommonJS and load Node's built-in modules with `require`.
  banner: {
    js: "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);",
  },
} as const satisfies BuildOptions;

/** The supervisor: one readable file in the image. */
export const supervisor = {
  ...shared,
  entryPoints: { supervisor: join(root, 'image/supervisor/main.ts') },
} as const satisfies BuildOptions;
