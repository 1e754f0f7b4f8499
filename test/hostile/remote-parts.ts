/** Which parts the scripts of `scripts/remote` may answer with, read off their text. */
import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../scripts/remote/', import.meta.url);

/** Put before others or around them, or given the terminal: they answer nothing of their own. */
const NOT_ASKED = new Set([
  'frame',
  'worker',
  'database',
  'docker',
  'backup-archive',
  'standings',
  'leftovers',
  'queue-add',
  'restore-import',
  'again',
  'attach',
  'exec',
  'shell',
  'release-prepull',
]);

/** The names of the scripts that are asked for an answer. */
export const REMOTE_SCRIPTS: readonly string[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.sh'))
  .map((file) => file.slice(0, -'.sh'.length))
  .filter((name) => !NOT_ASKED.has(name));

const source = (name: string) =>
  readFileSync(new URL(`${name}.sh`, FOLDER), 'utf8').replaceAll(/^\s*#.*$/gm, '');

/** Names as they stand in `part NAME`, `emit_part NAME` and `part_file NAME`; of numbered ones the first. */
const namesIn = (text: string) =>
  [...text.matchAll(/\b(?:part|emit_part|part_file|said) "?([a-z][\w-]*(?:\.\$\w+)?)"?[ ]/g)].map(
    ([, name = '']) => name.replace(/\.\$\w+$/, '.0'),
  );

const parts = new Map<string, readonly string[]>();

/** @param script name of one of {@link REMOTE_SCRIPTS} */
export function partsOf(script: string): readonly string[] {
  const known = parts.get(script);
  if (known !== undefined) return known;
  const names = [...new Set(namesIn(source(script)))];
  parts.set(script, names);
  return names;
}
