import { delimiter, join } from 'node:path';
import type { Files } from './effects.ts';

/** The program's path, as a shell would find it; null when there is none. */
export function which(files: Pick<Files, 'isExecutable'>, path: string, program: string): string | null {
  for (const directory of path.split(delimiter)) {
    if (directory !== '' && files.isExecutable(join(directory, program))) return join(directory, program);
  }
  return null;
}
