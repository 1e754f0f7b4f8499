/** Building the worker image and bringing it to a registry: what is to be run, and running it. */
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError, UsageError } from '../cli/errors.ts';
import { shellQuote } from '../cli/text.ts';
import { packageRoot } from '../cli/version.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Argv } from '../exec.ts';
import { keepingTag, pinned } from '../registry/reference.ts';
import {
  addTag,
  addTagArgv,
  docker,
  lookUp,
  type RegistryImage,
  registryError,
} from '../registry/registry.ts';
import type { Cluster } from '../transport/kubectl.ts';
import { getJson } from '../transport/objects.ts';
import { TransportError } from '../transport/transport.ts';
import { type Architecture, stageFactory } from './factory-binary.ts';
import { rememberPushed } from './pushed.ts';
import { releasesDir } from './record.ts';

export interface BuildOptions {
  readonly repository: string;
  readonly tag: string;
  /** Of this checkout; with `-modified` when it is dirty. */
  readonly revision: string;
  readonly dirty: boolean;
  readonly factory: { readonly dir: string; readonly sha256: string };
  readonly architectures: readonly Architecture[];
  readonly base: string | undefined;
  /** Whether the builder can attach SBOM and provenance; then it pushes by itself. */
  readonly attests: boolean;
  /** What the builder prints is kept here. */
  readonly log: string;
}

export interface Built {
  /** With its digest once it is in a registry, else with its tag. */
  readonly image: string;
  readonly tag: string;
  readonly digest: string | null;
  /** Whether something was sent to the registry. */
  readonly pushed: boolean;
  readonly log: string | null;
}

export interface Given {
  readonly repository: string;
  readonly tag: string | null;
  readonly factory: string | undefined;
  readonly platforms: readonly string[];
  readonly base: string | undefined;
  readonly allowDirty: boolean;
  /** Whether it will be pushed. */
  readonly push: boolean;
}

/** The label by which an image in a registry is known to carry the same factory. */
const FACTORY_LABEL = 'factory-worker.factory.sha256';
const REVISION_LABEL = 'org.opencontainers.image.revision';

/**
 * Finds out everything a build needs, and that it can be done, before it is begun.
 *
 * @param worker whose cluster's nodes tell the platform; null when no worker is meant
 */
export async function planOptions(
  context: Context,
  cluster: Cluster,
  worker: ClusterWorker | null,
  given: Given,
): Promise<BuildOptions> {
  const { env, now } = context;
  const { revision, described, dirty } = await readGit(context);
  if (dirty && given.push && !given.allowDirty) {
    throw new CliError(
      'the checkout has changes that are not committed: nobody could tell later what the image was made of',
      {
        hints: ['commit them; what they are: git status', 'push it all the same: --allow-dirty'],
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
    log: join(
      state,
      'logs',
      `build-${now()
        .toISOString()
        .replaceAll(/[-:]|\.\d+/g, '')}.log`,
    ),
  };
}

/** A tag that never names two images: checkout and factory are both in it. */
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
      `${packageRoot()} is no git checkout: it cannot be told what an image from it is made of`,
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
  if (worker === null) return [own];
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
      'note: the nodes of the cluster may not be listed; building for linux/amd64 (else: --platform)\n',
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
        'Docker with buildx is needed: https://docs.docker.com/build/install-buildx/',
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
    throw new CliError('this builder makes images for one platform at a time', {
      hints: ['make one that can: docker buildx create --use', 'or name one: --platform linux/amd64'],
    });
  }
  return attests;
}

/** The command lines of build and push, in order; of the attesting builder the push is part of the build. */
export function planBuild(
  options: BuildOptions,
  env: NodeJS.ProcessEnv,
): { readonly lines: readonly string[] } {
  const line = (argv: readonly string[]) => argv.map(shellQuote).join(' ');
  return {
    lines: [
      line(buildArgv(options, options.attests ? 'push' : 'load')),
      ...(options.attests ? [] : [line(pushArgv(options, env))]),
      line(addTagArgv(env, options.repository, 'DIGEST', 'release-DIGEST')),
    ],
  };
}

const nameOf = ({ repository, tag }: BuildOptions) => `${repository}:${tag}`;

export function buildArgv(options: BuildOptions, target: 'load' | 'push'): Argv {
  const { architectures, base, factory, log } = options;
  const root = packageRoot();
  const output =
    target === 'push'
      ? ['--push', '--sbom=true', '--provenance=mode=max', `--metadata-file=${metadataFile(options)}`]
      : architectures.length === 1
        ? ['--load']
        : [];
  return [
    join(root, 'image', 'with-log.sh'),
    log,
    join(root, 'image', 'build.sh'),
    ...(base === undefined ? [] : ['--base', base]),
    '--factory',
    factory.dir,
    ...architectures.flatMap((architecture) => ['--architecture', architecture]),
    '--',
    '--progress=plain',
    `--tag=${nameOf(options)}`,
    `--label=${FACTORY_LABEL}=${factory.sha256}`,
    ...output,
  ];
}

const metadataFile = ({ log }: BuildOptions) => `${log}.json`;

function pushArgv(options: BuildOptions, env: NodeJS.ProcessEnv): Argv {
  return [
    join(packageRoot(), 'image', 'with-log.sh'),
    `${options.log}.push`,
    docker(env),
    'push',
    nameOf(options),
  ];
}

/** Builds into the local Docker (or only into the builder's cache, for several platforms). */
export async function buildImage(context: Context, options: BuildOptions): Promise<Built> {
  await build(context, options, 'load');
  return { image: nameOf(options), tag: options.tag, digest: null, pushed: false, log: options.log };
}

/** Whether an image in a registry was made of the same checkout and factory. */
export function isSame({ labels, platforms }: RegistryImage, options: BuildOptions): boolean {
  return (
    !options.dirty &&
    labels[REVISION_LABEL] === options.revision &&
    labels[FACTORY_LABEL] === options.factory.sha256 &&
    options.architectures.every((architecture) => platforms.includes(`linux/${architecture}`))
  );
}

/**
 * Builds what the registry does not have yet, and pushes it. The digest gets a tag of its own.
 *
 * @returns the image by its digest
 */
export async function pushImage(context: Context, options: BuildOptions): Promise<Built> {
  const { env, stderr } = context;
  const name = nameOf(options);
  const there = await lookUp(context, name);
  if (there !== null && isSame(there, options)) {
    stderr.write(`${name} is in the registry already\n`);
    return finish(context, options, there.digest, false);
  }
  const sent = options.attests ? await buildAndPush(context, options) : await buildThenPush(context, options);
  const found = await lookUp(context, name);
  if (found === null)
    throw new CliError(`${name} was pushed, but the registry does not have it`, { hints: ['type it again'] });
  if (sent !== null && found.digest !== sent) {
    throw new CliError(
      `digest mismatch: ${sent} was pushed, but ${name} is ${found.digest} in the registry`,
      {
        hints: ['somebody pushed the same tag at the same moment; type it again'],
      },
    );
  }
  rememberPushed(env, pinned(options.repository, found.digest));
  return finish(context, options, found.digest, true);
}

async function finish(
  context: Context,
  options: BuildOptions,
  digest: string,
  pushed: boolean,
): Promise<Built> {
  await addTag(context, options.repository, digest, keepingTag(digest));
  rememberPushed(context.env, pinned(options.repository, digest));
  return {
    image: pinned(options.repository, digest),
    tag: options.tag,
    digest,
    pushed,
    log: pushed ? options.log : null,
  };
}

/** @returns the digest the builder pushed */
async function buildAndPush(context: Context, options: BuildOptions): Promise<string | null> {
  await build(context, options, 'push');
  const metadata = JSON.parse(readFileSync(metadataFile(options), 'utf8')) as Record<string, unknown>;
  rmSync(metadataFile(options), { force: true });
  return (metadata['containerimage.digest'] as string | undefined) ?? null;
}

/** @returns the digest by which the local Docker knows what it pushed */
async function buildThenPush(context: Context, options: BuildOptions): Promise<string | null> {
  const { env, exec, signal } = context;
  await build(context, options, 'load');
  const log = `${options.log}.push`;
  const code = await exec.interactive(pushArgv(options, env), { env, signal });
  signal.throwIfAborted();
  if (code !== 0) {
    const argv = pushArgv(options, env);
    const error = registryError(
      { argv, code, stderr: readFileSync(log, 'utf8'), timedOut: false },
      `push ${nameOf(options)}`,
    );
    throw new CliError(error.message, {
      exitCode: error.exitCode,
      hints: [...error.hints, `what Docker said: ${log}`],
    });
  }
  const inspected = await exec.run(
    [docker(env), 'image', 'inspect', '--format', '{{json .RepoDigests}}', nameOf(options)],
    {
      env,
      signal,
      timeoutMs: 60_000,
    },
  );
  const digests = inspected.code === 0 ? (JSON.parse(inspected.stdout.toString('utf8')) as string[]) : [];
  const own = digests.filter((digest) => digest.startsWith(`${options.repository}@`));
  return own.length === 1 ? (own[0]?.split('@')[1] ?? null) : null;
}

async function build(context: Context, options: BuildOptions, target: 'load' | 'push'): Promise<void> {
  const { env, exec, signal, stderr } = context;
  stderr.write(
    `building ${nameOf(options)} for ${options.architectures.map((name) => `linux/${name}`).join(', ')}\n`,
  );
  const code = await exec.interactive(buildArgv(options, target), { env, signal });
  if (signal.aborted)
    throw InterruptedError.by(signal, 'the build was interrupted; what it has done so far is cached');
  if (code !== 0) {
    throw new CliError(`the build failed (${code}): ${reasonIn(readFileSync(options.log, 'utf8'))}`, {
      exitCode: code === 127 ? ExitCode.missingProgram : ExitCode.failed,
      hints: [`the whole log: ${options.log}`],
    });
  }
}

/** What a builder's log says last of an error. */
export function reasonIn(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  const refused = lines.findLast((line) => /factory cannot be used in this image/.test(line));
  const error =
    refused ??
    lines.findLast((line) => /^(?:ERROR|error|build\.sh):/.test(line)) ??
    lines.at(-1) ??
    'it said nothing';
  return error.replace(/^(?:ERROR: |error: |build\.sh: |#\d+ [\d.]+ )+/, '').trim();
}
