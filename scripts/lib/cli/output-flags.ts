/** The flags of commands that print something: `-o`, `--json`, `--no-headers`, `--watch`. */
import { UsageError } from './errors.ts';

/** @param formats the values of `-o`; the first is the default */
export const OUTPUT_FLAGS = <const Formats extends readonly [string, ...string[]]>(formats: Formats) =>
  ({
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      default: formats[0],
      choices: formats,
      description: 'output format',
    },
    json: { type: 'boolean', description: 'same as -o json' },
  }) as const;

export const TABLE_FLAGS = {
  'no-headers': { type: 'boolean', description: 'print tables without headers' },
} as const;

export const WATCH_FLAGS = {
  watch: { type: 'boolean', short: 'w', description: 'refresh until Ctrl-C' },
  interval: {
    type: 'string',
    value: 'DURATION',
    default: '2s',
    description: 'time between two refreshes with --watch',
  },
} as const;

/** The requested format. */
export function outputFormat<const Formats extends readonly [string, ...string[]]>(
  flags: { readonly output: string; readonly json: boolean },
  formats: Formats,
): Formats[number] {
  if (flags.json && flags.output !== formats[0] && flags.output !== 'json') {
    throw new UsageError(`--json and -o ${flags.output} cannot be used together`);
  }
  return flags.json ? 'json' : flags.output;
}
