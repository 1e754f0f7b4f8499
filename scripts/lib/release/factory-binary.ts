/** The `factory` program that an image is to carry: found, looked at and tried before a minute is spent on a build. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { CliError, UsageError } from '../cli/errors.ts';
import { packageRoot } from '../cli/version.ts';
import { expandHome, homeOf } from '../config/paths.ts';

export type Architecture = 'amd64' | 'arm64';

/** ELF's e_machine: bytes 18 and 19, little endian. */
const MACHINES: Readonly<Record<number, Architecture>> = { 62: 'amd64', 183: 'arm64' };

/**
 * What kind of program a file is.
 *
 * @param head its first 20 bytes
 * @returns the processor it is for; `script` for one that needs an interpreter; null for anything else, a program for
 *   another system among them
 */
export function platformOf(head: Buffer): Architecture | 'script' | null {
  if (head.subarray(0, 2).toString('latin1') === '#!') return 'script';
  if (head.subarray(0, 4).toString('latin1') !== '\u007fELF' || head.length < 20) return null;
  return MACHINES[head.readUInt16LE(18)] ?? null;
}

export interface FactoryBinary {
  /** The folder for the build: `linux_ARCH/factory` in it. */
  readonly dir: string;
  /** Of all its programs. */
  readonly sha256: string;
}

/**
 * Takes the program into a folder for the build.
 *
 * @param given the value of `--factory`
 * @param into a folder of ours, replaced
 * @throws CliError when it is missing, for another platform, does not start or cannot open its database
 */
export async function stageFactory(
  { env, exec, signal }: Pick<Context, 'env' | 'exec' | 'signal'>,
  given: string | undefined,
  architectures: readonly Architecture[],
  into: string,
): Promise<FactoryBinary> {
  const hash = createHash('sha256');
  rmSync(into, { recursive: true, force: true });
  for (const architecture of architectures) {
    const file = sourceOf(env, given, architecture, architectures.length);
    const content = readProgram(file);
    const found = platformOf(content.subarray(0, 20));
    if (found !== 'script' && found !== architecture) {
      throw new CliError(
        `${file} is ${found === null ? 'no Linux program' : `for ${found}`}, and the image is for linux/${architecture}`,
        {
          hints: [
            `build it with GOOS=linux GOARCH=${architecture} CGO_ENABLED=1`,
            ...(found === null ? [] : [`or the image for its platform: --platform linux/${found}`]),
          ],
        },
      );
    }
    hash.update(content);
    const folder = join(into, `linux_${architecture}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const copy = join(folder, 'factory');
    copyFileSync(file, copy);
    if (process.platform !== 'linux' || process.arch !== (architecture === 'amd64' ? 'x64' : 'arm64'))
      continue;
    const check = join(packageRoot(), 'image', 'build', 'check-factory.sh');
    const result = await exec.run([check, copy, architecture], { env, signal, timeoutMs: 90_000 });
    if (result.code !== 0) {
      const [why = '', next] = result.stderr.trim().split(/\n[ \t]*next: /);
      throw new CliError(`${file}: ${why.trim() || `its check ended with ${result.code}`}`, {
        hints: next ? [next.trim()] : [],
      });
    }
  }
  return { dir: into, sha256: hash.digest('hex') };
}

function sourceOf(
  env: NodeJS.ProcessEnv,
  given: string | undefined,
  architecture: Architecture,
  count: number,
): string {
  const file = given || env['FACTORY_BIN'];
  if (file) {
    if (count > 1) {
      throw new UsageError(
        'one factory is not for two platforms',
        'FACTORY_DIR=DIR with linux_amd64/factory and linux_arm64/factory in it',
      );
    }
    return expandHome(file, homeOf(env));
  }
  const dir = env['FACTORY_DIR'];
  if (dir) return join(expandHome(dir, homeOf(env)), `linux_${architecture}`, 'factory');
  throw new UsageError(
    '--factory is missing: where is the factory program that the image is to carry?',
    '--factory FILE, FACTORY_BIN=FILE, or FACTORY_DIR=DIR with linux_amd64/factory in it',
  );
}

function readProgram(file: string): Buffer {
  try {
    if (!statSync(file).isFile()) throw new Error('it is no file');
    return readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CliError(
      `cannot read the factory program ${file}: ${code === 'ENOENT' ? 'there is no such file' : message}`,
    );
  }
}
