/** The inputs of a build: checkout, factory program, platforms, builder. All are checked before the build starts. */

import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { CliError, UsageError } from '../cli/errors.ts';
import { packageRoot } from '../cli/version.ts';
import { expandHome, homeOf } from '../config/paths.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { docker, registryError } from '../registry/registry.ts';
import type { Cluster } from '../transport/kubectl.ts';
import { getJson } from '../transport/objects.ts';
import { TransportError } from '../transport/transport.ts';
import { releasesDir } from './record.ts';

export interface BuildOptions {
  readonly repository: string;
  readonly tag: string;
  /** The commit of this checkout; with `-modified` when it is dirty. */
  readonly revision: string;
  readonly dirty: boolean;
  readonly factory: { readonly dir: string; readonly sha256: string };
  readonly architectures: readonly Architecture[];
  readonly base: string | undefined;
  /** Whether the builder can attach SBOM and provenance; then the builder itself pushes. */
  readonly attests: boolean;
  /** Whether the SBOM is wanted: the builder pulls an image to make it. */
  readonly sbom: boolean;
  /** Where the builder's output is kept. */
  readonly log: string;
  /** Whether the builder draws its progress on a terminal, so that no log of a build is kept. */
  readonly terminal: boolean;
}

export interface Given {
  readonly repository: string;
  readonly tag: string | null;
  readonly factory: string | undefined;
  readonly platforms: readonly string[];
  readonly base: string | undefined;
  readonly allowDirty: boolean;
  readonly sbom: boolean;
  /** Whether it will be pushed. */
  readonly push: boolean;
}

/**
 * Collects everything a build needs, and checks that it is possible.
 *
 * @param worker the nodes of its cluster decide the platform; null when no worker is named
 */
export async function planOptions(
  context: Context,
  cluster: Cluster,
  worker: ClusterWorker | null,
  given: Given,
): Promise<BuildOptions> {
  const { env, now, stderr } = context;
  const { revision, described, dirty } = await readGit(context);
  if (dirty && given.push && !given.allowDirty) {
    throw new CliError(
      'the checkout has uncommitted changes: no one could tell later what the image was built from',
      {
        hints: ['commit them; to see them: git status', 'push anyway: --allow-dirty'],
      },
    );
  }
  const architectures =
    parsePlatforms(given.platforms) ?? (await nodeArchitectures(context, cluster, worker));
  const state = dirname(releasesDir(env));
  const factory = await stageFactory(context, given.factory, architectures, join(state, 'build', 'factory'));
  const attests = await builderAttests(context, architectures);
  return {
    repository: given.repository,
    tag: given.tag ?? tagOf(described, factory.sha256),
    revision: dirty ? `${revision}-modified` : revision,
    dirty,
    factory,
    architectures,
    base: given.base ?? env['BASE_IMAGE'],
    attests,
    sbom: given.sbom,
    log: join(
      state,
      'logs',
      `build-${now()
        .toISOString()
        .replaceAll(/[-:]|\.\d+/g, '')}.log`,
    ),
    terminal: stderr.isTTY,
  };
}

/** A unique tag: it contains both checkout and factory. */
export function tagOf(described: string, factorySha256: string): string {
  return `${described.replaceAll(/[^\w.-]/g, '-')}-f${factorySha256.slice(0, 8)}`.slice(0, 128);
}

/** @returns null when none were named */
export function parsePlatforms(platforms: readonly string[]): Architecture[] | null {
  const found = platforms.map((platform) => {
    const architecture = platform.replace(/^linux\//, '');
    if (architecture === 'amd64' || architecture === 'arm64') return architecture;
    throw new UsageError(`--platform takes linux/amd64 and linux/arm64; not "${platform}"`);
  });
  return found.length === 0 ? null : [...new Set(found)];
}

async function readGit(context: Context): Promise<{ revision: string; described: string; dirty: boolean }> {
  const git = async (...args: string[]) => {
    const result = await context.exec.run(['git', '-C', packageRoot(), ...args], {
      env: context.env,
      timeoutMs: 30_000,
    });
    return result.code === 0 ? result.stdout.toString('utf8').trim() : null;
  };
  const revision = await git('rev-parse', 'HEAD');
  if (revision === null) {
    throw new CliError(
      `${packageRoot()} is not a git checkout: no one could tell later what the image was built from`,
      {
        hints: ['build from a checkout of the project'],
      },
    );
  }
  const dirty = (await git('status', '--porcelain')) !== '';
  const described = (await git('describe', '--tags', '--always', '--abbrev=12')) ?? revision.slice(0, 12);
  return { revision, described: dirty ? `${described}-dirty` : described, dirty };
}

async function nodeArchitectures(
  context: Context,
  cluster: Cluster,
  worker: ClusterWorker | null,
): Promise<Architecture[]> {
  const own: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  if (worker === null) {
    context.stderr.write(
      `note: no worker is named, so its cluster cannot tell: building for linux/${own}, the platform of this machine (otherwise: --platform)\n`,
    );
    return [own];
  }
  try {
    const nodes = await getJson<{ items: { status: { nodeInfo: { architecture: string } } }[] }>(
      cluster,
      worker,
      ['nodes'],
    );
    const found = parsePlatforms(
      [...new Set(nodes.items.map(({ status }) => status.nodeInfo.architecture))].filter((name) =>
        /^a(?:md|rm)64$/.test(name),
      ),
    );
    if (found !== null) return found;
  } catch (error) {
    if (!(error instanceof TransportError) || error.kind !== 'forbidden') throw error;
    context.stderr.write(
      'note: no permission to list the nodes of the cluster; building for linux/amd64 (otherwise: --platform)\n',
    );
  }
  return ['amd64'];
}

/** @throws CliError when there is no builder, or it cannot build for these platforms */
async function builderAttests(
  { env, exec, signal }: Context,
  architectures: readonly Architecture[],
): Promise<boolean> {
  const inspected = await exec.run([docker(env), 'buildx', 'inspect'], { env, signal, timeoutMs: 60_000 });
  if (inspected.code !== 0) {
    const error = registryError(inspected, 'find a builder');
    throw new CliError(error.message, {
      exitCode: error.exitCode,
      hints: [
        'Docker with buildx is required: https://docs.docker.com/build/install-buildx/',
        'is Docker running? docker info',
      ],
    });
  }
  if (!/^Driver:\s+docker$/m.test(inspected.stdout.toString('utf8'))) return true;
  const info = await exec.run([docker(env), 'info', '--format', '{{json .DriverStatus}}'], {
    env,
    signal,
    timeoutMs: 60_000,
  });
  const attests = info.stdout.includes('io.containerd.snapshotter');
  if (!attests && architectures.length > 1) {
    throw new CliError('this builder builds for one platform at a time', {
      hints: [
        'create one that can: docker buildx create --use',
        'or choose one platform: --platform linux/amd64',
      ],
    });
  }
  return attests;
}

export type Architecture = 'amd64' | 'arm64';

/** ELF's e_machine: bytes 18 and 19, little endian. */
const MACHINES: Readonly<Record<number, Architecture>> = { 62: 'amd64', 183: 'arm64' };

/**
 * What kind of program a file is.
 *
 * @param head its first 20 bytes
 * @returns its architecture; `script` for one that needs an interpreter; null for anything else, such as a program for
 *   another system
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
 * Copies the factory program into a folder for the build.
 *
 * @param given the value of `--factory`
 * @param into our own folder, which is replaced
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
        `${file} is ${found === null ? 'not a Linux program' : `for ${found}`}, and the image is for linux/${architecture}`,
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
        'one factory program cannot serve two platforms',
        'FACTORY_DIR=DIR with linux_amd64/factory and linux_arm64/factory in it',
      );
    }
    return expandHome(file, homeOf(env));
  }
  const dir = env['FACTORY_DIR'];
  if (dir) return join(expandHome(dir, homeOf(env)), `linux_${architecture}`, 'factory');
  throw new UsageError(
    '--factory is missing: where is the factory program for the image?',
    '--factory FILE, FACTORY_BIN=FILE, or FACTORY_DIR=DIR with linux_amd64/factory in it',
  );
}

function readProgram(file: string): Buffer {
  try {
    if (!statSync(file).isFile()) throw new Error('it is not a file');
    return readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CliError(
      `cannot read the factory program ${file}: ${code === 'ENOENT' ? 'there is no such file' : message}`,
    );
  }
}
