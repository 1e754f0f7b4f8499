/** Puts the code that ajv makes of our schemas into a bundle, in the place of ajv and the schemas. */
import { dirname } from 'node:path';
import standaloneCode from 'ajv/dist/standalone/index.js';
import type { Plugin } from 'esbuild';
import * as workers from '../lib/config/validate-workers.ts';
import { SCHEMAS } from '../lib/contract.ts';
import * as contract from '../lib/validate-contract.ts';

export const precompiledSchemas: Plugin = {
  name: 'precompiled-schemas',
  setup(build) {
    // Each exports what the module does whose place it takes.
    const replace = (filter: RegExp, contents: () => string) =>
      build.onLoad({ filter }, ({ path }) => ({
        contents: contents(),
        loader: 'js',
        resolveDir: dirname(path),
      }));
    replace(/\/validate-workers\.ts$/, () => standaloneCode.default(workers.ajv, workers.validate));
    replace(/\/validate-contract\.ts$/, contractCode);
  },
};

/** A function for each schema, exported under its name, and `validator`, which chooses among them. */
function contractCode(): string {
  const names = Object.keys(SCHEMAS);
  const functions = standaloneCode.default(
    contract.ajv,
    Object.fromEntries(names.map((name) => [name, name])),
  );
  return `${functions}\nconst validators = { ${names.join(', ')} };\nexport const validator = (name) => validators[name];\n`;
}
