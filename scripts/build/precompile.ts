/** Puts the code that ajv makes of our schemas into a bundle, in the place of ajv and the schemas. */
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
    // Each exports what the module does whose place it takes.
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

/** A function for each schema, and `validator`, which chooses among them by the name of the schema. */
function validators(ajv: Parameters<typeof standaloneCode.default>[0], names: readonly string[]): string {
  // A name of a schema need not be one of JavaScript.
  const exported = names.map((name, index) => [`answer${index}`, name] as const);
  const functions = standaloneCode.default(ajv, Object.fromEntries(exported));
  const entries = exported.map(([identifier, name]) => `${JSON.stringify(name)}: ${identifier}`);
  return `${functions}\nconst validators = { ${entries.join(', ')} };\nexport const validator = (name) => validators[name];\n`;
}
