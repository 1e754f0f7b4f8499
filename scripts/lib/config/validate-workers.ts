/**
 * Validates against workers.schema.json. The only module that loads ajv. The bundle has ajv's generated code instead
 * (scripts/build/precompile.ts), since loading ajv and compiling takes longer than anything a command does.
 */
import { Ajv } from 'ajv';
import schema from './workers.schema.json' with { type: 'json' };

// A test checks the schema against its own meta-schema; doing that at every start would cost 20 ms.
export const ajv = new Ajv({
  allErrors: true,
  strict: true,
  verbose: true,
  meta: false,
  validateSchema: false,
  // A file is too short for optimizing the generated code (8 ms) to pay off.
  code: { optimize: false, source: true, esm: true },
  inlineRefs: false,
});

/** Whether a parsed workers.yaml is valid; if not, its property `errors` says why. */
export const validate = ajv.compile(schema);
