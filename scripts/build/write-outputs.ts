/** Replaces the files of an earlier build while commands of that build may be running. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface Output {
  /** Absolute. */
  readonly path: string;
  readonly contents: Uint8Array;
}

/**
 * Writes only files that differ, each by a rename, and removes files that the build no longer makes. So building the same
 * sources again changes nothing: in one checkout, some test lanes build while others start the commands.
 *
 * @param executable the file that is started by its name
 * @param outputs in the order to write them: a file comes after those that it imports
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
    // Another build may be about to rename its own.
    if (name.name.endsWith('.new')) continue;
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
