/** Puts the files of a build in the place of the earlier ones while commands of the earlier build run. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface Output {
  /** Absolute. */
  readonly path: string;
  readonly contents: Uint8Array;
}

/**
 * Writes what differs, each file by a rename, and removes what the build no longer makes. So a build of the same sources
 * changes nothing: in a checkout the tests of several lanes build at the same time as others start the commands.
 *
 * @param executable the one that is started by its name
 * @param outputs in the order in which they are written: what imports others comes after them
 */
export function writeOutputs(folder: string, executable: string, outputs: readonly Output[]): void {
  for (const { path, contents } of outputs) {
    if (read(path)?.equals(contents)) continue;
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.new`;
    writeFileSync(temporary, contents, { mode: path === executable ? 0o755 : 0o644 });
    renameSync(temporary, path);
  }
  const made = new Set(outputs.map(({ path }) => relative(folder, path)));
  for (const name of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(name.parentPath, name.name);
    if (!name.isDirectory() && !made.has(relative(folder, path))) rmSync(path, { force: true });
  }
}

function read(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}
