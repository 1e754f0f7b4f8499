/** Holds what a command prints with `-o json` and `-o yaml` against the schema that is published for it. */
import { Ajv, type ValidateFunction } from 'ajv';
import { parseAllDocuments } from 'yaml';
import { COMMON_FLAGS, type Command } from '../../scripts/lib/cli/command.ts';
import type { Flag, Flags } from '../../scripts/lib/cli/flags.ts';
import { parseFlags } from '../../scripts/lib/cli/flags.ts';
import { OUTPUT_SCHEMAS, published } from '../../scripts/lib/output-schemas.ts';

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const validators = new Map<string, ValidateFunction>();

function validatorOf(name: string): ValidateFunction {
  const validator = validators.get(name) ?? ajv.compile(published(name));
  validators.set(name, validator);
  return validator;
}

/** @returns where a document differs from the published schema of that name; null when it fits */
export function mismatch(name: string, document: unknown): string | null {
  const validator = validatorOf(name);
  if (validator(document)) return null;
  const errors = (validator.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`,
  );
  return `not as docs/schemas/${name}.json says: ${errors.slice(0, 8).join('; ')}`;
}

/** Which form of data the words ask for; null for text, and for a YAML of the command's own. */
function formOf<F extends Flags>(command: Command<F>, argv: readonly string[]): 'json' | 'yaml' | null {
  const outputFlag: Flag | undefined = command.flags['output'];
  if (outputFlag?.type !== 'string' || !Object.hasOwn(command.flags, 'json')) return null;
  try {
    const { flags } = parseFlags(argv, { ...command.flags, ...COMMON_FLAGS }, command.restAfter);
    const { json, output, help } = flags as Readonly<Record<string, unknown>>;
    if (help === true) return null;
    if (output === 'yaml') return outputFlag.yamlOfJson ? 'yaml' : null;
    return json === true || output === 'json' ? 'json' : null;
  } catch {
    // A usage error: nothing is printed.
    return null;
  }
}

/**
 * The documents of an output: of JSON one, or one in each line.
 *
 * @throws when it is neither
 */
export function documentsIn(stdout: string, form: 'json' | 'yaml' = 'json'): unknown[] {
  if (stdout.trim() === '') return [];
  if (form === 'yaml') {
    return parseAllDocuments(stdout).map((document) => {
      for (const error of document.errors) throw error;
      return document.toJS() as unknown;
    });
  }
  try {
    return [JSON.parse(stdout)];
  } catch {
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
  }
}

/** @returns what of an output differs from what is published; null when all of it fits, or text was asked for */
export function unpublished<F extends Flags>(
  command: Command<F>,
  argv: readonly string[],
  stdout: string,
): string | null {
  const form = formOf(command, argv);
  if (OUTPUT_SCHEMAS[command.name] === undefined || form === null) return null;
  for (const document of documentsIn(stdout, form)) {
    const found = mismatch(command.name, document);
    if (found !== null) return found;
  }
  return null;
}
