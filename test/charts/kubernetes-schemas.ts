import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * `npx tsx test/charts/kubernetes-schemas.ts DIR VERSION…` writes JSON Schemas for kubeconform, made from the OpenAPI
 * document that lies in the Go module k8s.io/kubernetes of that version (fetched and verified by the go command).
 * Unknown fields are errors. One file a kind: DIR/vVERSION/KIND-GROUP-VERSION.json.
 */

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
}

/** Numbers may be written where the document says "string". */
const LOOSE: Readonly<Record<string, Schema>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['string', 'integer'] },
};

function strict(definition: Schema): Schema {
  const { properties, additionalProperties } = definition;
  return properties && additionalProperties === undefined
    ? { ...definition, additionalProperties: false }
    : definition;
}

/** A definition and everything it refers to, directly or not. */
function closure(name: string, all: Readonly<Record<string, Schema>>): Record<string, Schema> {
  const found: Record<string, Schema> = {};
  const open = [name];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next in found) continue;
    const definition = LOOSE[next] ?? strict(all[next] ?? {});
    found[next] = definition;
    for (const match of JSON.stringify(definition).matchAll(/"#\/definitions\/([^"]+)"/g)) {
      open.push(match[1] ?? '');
    }
  }
  return found;
}

function write(folder: string, version: string): void {
  const target = join(folder, `v${version}`);
  if (existsSync(target)) return;
  // Outside of any module, so that no go.mod has a say.
  const module = JSON.parse(
    execFileSync('go', ['mod', 'download', '-json', `k8s.io/kubernetes@v${version}`], {
      encoding: 'utf8',
      cwd: tmpdir(),
    }),
  ) as { Dir: string };
  const document = readFileSync(join(module.Dir, 'api', 'openapi-spec', 'swagger.json'), 'utf8');
  const { definitions } = JSON.parse(document) as { definitions: Record<string, Schema> };
  const work = `${target}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  for (const [name, definition] of Object.entries(definitions)) {
    const [id, ...more] = definition['x-kubernetes-group-version-kind'] ?? [];
    if (id === undefined || more.length > 0) continue;
    const group = id.group === '' ? [] : [id.group.split('.')[0]];
    const file = [id.kind, ...group, id.version].join('-').toLowerCase();
    const schema = { $ref: `#/definitions/${name}`, definitions: closure(name, definitions) };
    writeFileSync(join(work, `${file}.json`), JSON.stringify(schema));
  }
  rmSync(target, { recursive: true, force: true });
  renameSync(work, target);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder = '', ...versions] = process.argv.slice(2);
  for (const version of versions) write(folder, version);
}
