/** Makes docs/schemas/, the JSON Schemas of what the commands print as data: `make docs`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { PUBLISHED, published } from '../../scripts/lib/output-schemas.ts';

export const SCHEMAS_DIR = join(packageRoot(), 'docs', 'schemas');

/** The text of each file, by its name. */
export const schemaFiles = (): Map<string, string> =>
  new Map(PUBLISHED.map((name) => [`${name}.json`, `${JSON.stringify(published(name), null, 2)}\n`]));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(SCHEMAS_DIR, { recursive: true });
  for (const [name, text] of schemaFiles()) writeFileSync(join(SCHEMAS_DIR, name), text);
}
