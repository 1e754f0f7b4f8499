/** What a command loads at its start. */
import { relative } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../scripts/build/options.ts';
import { packageRoot } from '../../scripts/lib/cli/version.ts';

let outputs: Metafile['outputs'];
beforeAll(async () => {
  ({
    metafile: { outputs },
  } = await build({ ...commands, metafile: true, write: false }));
});

/** The files of the bundle that Node reads for a module, each with the sources that are in it. */
function filesFor(entry: string): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, readonly string[]>();
  const take = (file: string) => {
    const output = outputs[file];
    if (output === undefined || files.has(file)) return;
    files.set(file, Object.keys(output.inputs));
    for (const { path, kind } of output.imports) if (kind === 'import-statement') take(path);
  };
  const found = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(entry));
  if (found !== undefined) take(found[0]);
  return files;
}

describe('the bundle', () => {
  it('has what a command needs in a few files: each takes time to find, read and link', () => {
    for (const command of ['list', 'status', 'dispatch', 'attach']) {
      const files = filesFor(`scripts/${command}.ts`);
      expect(files.size, command).toBeGreaterThan(1);
      expect(files.size, [...files.keys()].join(' ')).toBeLessThanOrEqual(12);
    }
    expect(filesFor('scripts/list.ts').size).toBeLessThanOrEqual(4);
  });

  it('leaves to those that need them what takes long to load', () => {
    const sources = [...filesFor('scripts/list.ts').values()]
      .flat()
      .map((source) => relative(packageRoot(), source));
    expect(sources.filter((source) => /node_modules\/(yaml|@inquirer|tar-stream)\//.test(source))).toEqual(
      [],
    );
    const slow = /lib\/(release|provision|health\/(book|pod-rules|work-rules|preflight))/;
    expect(sources.filter((source) => slow.test(source))).toEqual([]);
  });

  it('has no ajv in it: the code that it makes of the schemas stands in its place', () => {
    const sources = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
    expect(sources.filter((source) => /ajv\/dist\/(?!runtime\/)/.test(source))).toEqual([]);
  });
});
