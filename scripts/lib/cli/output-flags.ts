/** The flags of commands that print something: `-o`, `--json`, `--no-headers`, `--watch`. */
import { UsageError } from './errors.ts';

/** @param formats the values of `-o`; the first is the default. With `json` among them there is `yaml` too */
export const OUTPUT_FLAGS = <const Formats extends readonly [string, ...string[]]>(formats: Formats) =>
  ({
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      default: formats[0],
      choices: withYaml(formats),
      yamlOfJson: isYamlOfJson(formats),
      description: 'output format',
    },
    json: { type: 'boolean', description: 'same as -o json' },
  }) as const;

/** Not where a command has a YAML of its own. */
const isYamlOfJson = (formats: readonly string[]) => formats.includes('json') && !formats.includes('yaml');

const withYaml = (formats: readonly string[]) =>
  isYamlOfJson(formats)
    ? formats.flatMap((format) => (format === 'json' ? ['json', 'yaml'] : [format]))
    : formats;

export const TABLE_FLAGS = {
  'no-headers': { type: 'boolean', description: 'print tables without headers' },
} as const;

export const WATCH_FLAGS = {
  watch: { type: 'boolean', short: 'w', description: 'refresh until q or Ctrl-C' },
  interval: {
    type: 'string',
    value: 'DURATION',
    default: '2s',
    description: 'time between two refreshes with --watch',
  },
} as const;

/** The requested format. It is `json` for YAML too: what a command prints then becomes YAML on its way out (run.ts). */
export function outputFormat<const Formats extends readonly [string, ...string[]]>(
  flags: { readonly output: string; readonly json: boolean },
  formats: Formats,
): Formats[number] {
  if (flags.json && flags.output !== formats[0] && flags.output !== 'json') {
    throw new UsageError(`--json and -o ${flags.output} cannot be used together`);
  }
  const yaml = flags.output === 'yaml' && isYamlOfJson(formats);
  return flags.json || yaml ? 'json' : flags.output;
}
