/**
 * Whether a value is what the contract says. The only module that loads ajv for it; in the bundles the code that ajv makes of
 * the schemas stands in its place (scripts/build/precompile.ts), so that neither a command nor the supervisor waits for it.
 */
import { Ajv, type ValidateFunction } from 'ajv/dist/jtd.js';
import { type Documents, SCHEMAS } from './contract.ts';

export const ajv = new Ajv({
  // A field that is not known is of a newer version. It goes no further: what has been read is what its type says.
  removeAdditional: true,
  // The compiler has checked the schemas.
  meta: false,
  validateSchema: false,
  // We say it in our own words.
  messages: false,
  code: { source: true, esm: true },
});

for (const [name, schema] of Object.entries(SCHEMAS)) ajv.addSchema(schema, name);

/** @returns says whether a value fits the schema of that name; if not, its property `errors` says why */
export function validator<Name extends keyof Documents>(name: Name): ValidateFunction<Documents[Name]> {
  // Compiled at the first use.
  return ajv.getSchema(name) as ValidateFunction<Documents[Name]>;
}
