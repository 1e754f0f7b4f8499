/** Puts the code that ajv makes of workers.schema.json into the bundle, in the place of ajv and the schema. */
import { dirname } from 'node:path';
import standaloneCode from 'ajv/dist/standalone/index.js';
import type { Plugin } from 'esbuild';
import { ajv, validate } from '../lib/config/validate-workers.ts';

export const precompiledSchema: Plugin = {
  name: 'precompiled-schema',
  setup(build) {
    build.onLoad({ filter: /\/validate-workers\.ts$/ }, ({ path }) => ({
      // It exports `validate`, as the module does whose place it takes.
      contents: standaloneCode.default(ajv, validate),
      loader: 'js',
      resolveDir: dirname(path),
    }));
  },
};
