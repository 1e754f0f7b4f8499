/**
 * Whether an answer of kubectl or Helm has the shape of one. In the bundle the code that ajv makes of the schemas stands in the
 * place of this module (scripts/build/precompile.ts), so that no command waits for ajv.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import { ANSWER_SCHEMAS, type AnswerName, SHARED_SHAPES } from './answer-schemas.ts';

export const ajv = new Ajv({
  // The first misfit is told; the rest follows from it.
  allErrors: false,
  strict: true,
  strictTypes: false,
  strictRequired: false,
  meta: false,
  validateSchema: false,
  messages: false,
  // A schema that others name is a function of its own, and not repeated in each of them.
  inlineRefs: false,
  code: { source: true, esm: true },
});

for (const [name, schema] of Object.entries({ ...SHARED_SHAPES, ...ANSWER_SCHEMAS }))
  ajv.addSchema(schema, name);

/** @returns says whether a value fits the schema of that name; if not, its property `errors` says why */
export function validator(name: AnswerName): ValidateFunction {
  return ajv.getSchema(name) as ValidateFunction;
}
