/**
 * Bundles the umbrella command, so that it starts as fast as Node itself, and the supervisor, which the image carries as
 * one readable file. Code that a command does not use stays in chunks that are not loaded.
 */
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { $ } from 'zx/core';
import { packageRoot } from '../lib/cli/version.ts';
import { precompiledSchemas } from './precompile.ts';

const root = packageRoot();
const dist = join(root, 'dist');

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  legalComments: 'none',
  plugins: [precompiledSchemas],
  logLevel: 'warning',
} as const satisfies BuildOptions;

rmSync(dist, { recursive: true, force: true });
await build({
  ...shared,
  entryPoints: { 'factory-worker': join(root, 'scripts/factory-worker.ts') },
  outdir: dist,
  splitting: true,
  // Its other build is CommonJS, which takes 7 ms longer to load.
  alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
  chunkNames: 'chunks/[name]-[hash]',
  minifySyntax: true,
  // Some packages are CommonJS and ask for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);",
  },
});
chmodSync(join(dist, 'factory-worker.js'), 0o755);

// A bundle that does not start, or takes every workers.yaml for a bad one, would be found by the first user.
await $({
  quiet: true,
})`${join(dist, 'factory-worker.js')} list -o name --workers ${join(root, 'workers.example.yaml')}`;

const supervisor = join(root, 'image/supervisor/main.ts');
if (existsSync(supervisor)) {
  await build({ ...shared, entryPoints: { supervisor }, outdir: dist });
}
