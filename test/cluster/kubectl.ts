import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Path of a kubectl for a machine that has none: the one beside the newer Helm of tools/helm, in the same npm package.
 *
 * @throws when npm cannot fetch it, or on another system than Linux with an x86-64 processor
 */
export function pinnedKubectl(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('there is no pinned kubectl for this system');
  const folder = join(ROOT, '.cache', 'cluster', 'bin');
  const path = join(folder, 'kubectl');
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'fetch-'));
  try {
    for (const file of ['package.json', 'package-lock.json', '.npmrc'])
      copyFileSync(join(ROOT, 'tools', 'helm', file), join(work, file));
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const layer = readFileSync(join(work, 'node_modules', 'helm4', 'lib', 'layer.zip'));
    const kubectl = unzipSync(layer, { filter: ({ name }) => name === 'kubectl/kubectl' })['kubectl/kubectl'];
    if (kubectl === undefined) throw new Error('no kubectl/kubectl in the layer of helm4');
    writeFileSync(join(work, 'kubectl'), kubectl);
    chmodSync(join(work, 'kubectl'), 0o755);
    renameSync(join(work, 'kubectl'), path);
    return path;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

// `npx tsx test/cluster/kubectl.ts` prints where it is: that is how the scripts get it.
if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${pinnedKubectl()}\n`);
