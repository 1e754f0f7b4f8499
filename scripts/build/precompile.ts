/** Replaces ajv and our schemas in a bundle with the validators that ajv compiles from them. */
import { dirname } from 'node:path';
import standaloneCode from 'ajv/dist/standalone/index.js';
import type { Plugin } from 'esbuild';
import * as workers from '../lib/config/validate-workers.ts';
import { SCHEMAS } from '../lib/contract.ts';
import { ANSWER_SCHEMAS } from '../lib/transport/answer-schemas.ts';
import * as answers from '../lib/transport/validate-answers.ts';
import * as contract from '../lib/validate-contract.ts';

export const precompiledSchemas: Plugin = {
  name: 'precompiled-schemas',
  setup(build) {
    // Each has the same exports as the module that it replaces.
    const replace = (filter: RegExp, contents: () => string) =>
      build.onLoad({ filter }, ({ path }) => ({
        contents: contents(),
        loader: 'js',
        resolveDir: dirname(path),
      }));
    replace(/\/validate-workers\.ts$/, () => standaloneCode.default(workers.ajv, workers.validate));
    replace(/\/validate-contract\.ts$/, () => validators(contract.ajv, Object.keys(SCHEMAS)));
    replace(/\/validate-answers\.ts$/, () => validators(answers.ajv, Object.keys(ANSWER_SCHEMAS)));
  },
};

/** A function for each schema, and `validator`, which selects one by the name of the schema. */
function validators(ajv: Parameters<typeof standaloneCode.default>[0], names: readonly string[]): string {
  // The name of a schema may not be a valid JavaScript identifier.
  const exported = names.map((name, index) => [`answer${index}`, name] as const);
  const functions = standaloneCode.default(ajv, Object.fromEntries(exported));
  const entries = exported.map(([identifier, name]) => `${JSON.stringify(name)}: ${identifier}`);
  return `${functions}\nconst validators = { ${entries.join(', ')} };\nexport const validator = (name) => validators[name];\n`;
}
