/**
 * Validates the answers of kubectl and Helm. In the bundle, code that ajv compiled from the schemas replaces this module
 * (scripts/build/precompile.ts), so that no command waits for ajv.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import { ANSWER_SCHEMAS, type AnswerName, SHARED_SHAPES } from './answer-schemas.ts';

export const ajv = new Ajv({
  // Only the first error is reported.
  allErrors: false,
  strict: true,
  strictTypes: false,
  strictRequired: false,
  meta: false,
  validateSchema: false,
  messages: false,
  // A referenced schema becomes one function, instead of a copy in each schema that references it.
  inlineRefs: false,
  code: { source: true, esm: true },
});

for (const [name, schema] of Object.entries({ ...SHARED_SHAPES, ...ANSWER_SCHEMAS }))
  ajv.addSchema(schema, name);

/** @returns says whether a value fits the schema of that name; if not, its property `errors` says why */
export function validator(name: AnswerName): ValidateFunction {
  return ajv.getSchema(name) as ValidateFunction;
}
