/**
 * What workers.schema.json accepts. The only module that loads ajv; in the bundle the code that ajv makes of the schema stands
 * in its place (scripts/build/precompile.ts), since loading ajv and compiling takes longer than anything a command does.
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
  // Nor is a file so long that polishing the code which checks it (8 ms) would pay.
  code: { optimize: false, source: true, esm: true },
  inlineRefs: false,
});

/** Whether a parsed workers.yaml is one; if not, its property `errors` says why. */
export const validate = ajv.compile(schema);
