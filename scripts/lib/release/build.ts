/** Builds the worker image and pushes it to a registry. */

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { shellLine } from '../cli/text.ts';
import { packageRoot } from '../cli/version.ts';
import { replaceFileSync } from '../config/replace-file.ts';
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
import type { BuildOptions } from './build-options.ts';
import { releasesDir } from './record.ts';

export interface Built {
  /** With its digest once it is in a registry, otherwise with its tag. */
  readonly image: string;
  readonly tag: string;
  readonly digest: string | null;
  /** Whether something was sent to the registry. */
  readonly pushed: boolean;
  readonly log: string | null;
}

/** Builds into the local Docker (or only into the builder's cache, for several platforms). */
export async function buildImage(context: Context, options: BuildOptions): Promise<Built> {
  await build(context, options, 'load');
  return { image: nameOf(options), tag: options.tag, digest: null, pushed: false, log: logOf(options) };
}

/**
 * Builds and pushes the image unless the registry has it already. The digest gets its own tag.
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
  if (!options.attests) {
    stderr.write(
      "note: the image gets no SBOM and no provenance: Docker's built-in builder can make them only with the containerd image store; a builder that can: docker buildx create --use\n",
    );
  }
  const sent = options.attests ? await buildAndPush(context, options) : await buildThenPush(context, options);
  const found = await lookUp(context, name);
  if (found === null)
    throw new CliError(`${name} was pushed, but the registry does not have it`, { hints: ['try again'] });
  if (sent !== null && found.digest !== sent) {
    throw new CliError(
      `digest mismatch: ${sent} was pushed, but ${name} is ${found.digest} in the registry`,
      {
        hints: ['the same tag was pushed from elsewhere at the same moment; try again'],
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
    log: pushed ? logOf(options) : null,
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
  const { env, exec, signal, stderr } = context;
  await build(context, options, 'load');
  stderr.write(`pushing ${nameOf(options)}\n`);
  const code = await exec.interactive(pushArgv(options, env), { env, signal });
  if (signal.aborted)
    throw InterruptedError.by(
      signal,
      'the push was interrupted: run it again, layers that are there already are not sent again',
    );
  const log = pushLog(options);
  if (code !== 0) {
    const said = read(log);
    if (!options.terminal) stderr.write(lastLines(said));
    throw pushError(env, options, { code, said, log });
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
  const { architectures, log } = options;
  stderr.write(
    `building ${nameOf(options)} for ${architectures.map((name) => `linux/${name}`).join(', ')}\n`,
  );
  // Also for the builder's metadata.
  mkdirSync(dirname(log), { recursive: true });
  const code = await exec.interactive(buildArgv(options, target), { env, signal, stdoutOnStderr: true });
  if (signal.aborted)
    throw InterruptedError.by(signal, 'the build was interrupted: run it again, finished steps are cached');
  if (code === 0) return;
  const exitCode = code === 127 ? ExitCode.missingProgram : ExitCode.failed;
  if (options.terminal) {
    throw new CliError(`the build failed (${code}): Docker said why, above`, {
      exitCode,
      hints:
        target === 'push'
          ? [
              `if the registry refused it: ${shellLine([docker(env), 'login', options.repository.split('/')[0] ?? ''])}`,
              ...(options.sbom ? [`if it was the scanner, ${WITHOUT_SBOM}`] : []),
            ]
          : [],
    });
  }
  const said = read(log);
  stderr.write(lastLines(said));
  const reason = reasonIn(said);
  const refused = PUSH_FAILED.exec(reason)?.[1];
  if (refused !== undefined) throw pushError(env, options, { code, said: refused, log });
  throw new CliError(`the build failed (${code}): ${reason}`, {
    exitCode,
    hints: [
      ...(target === 'push' && options.sbom && SCANNER.test(reason) ? [`this scanner ${WITHOUT_SBOM}`] : []),
      `full log: ${log}`,
    ],
  });
}

/** BuildKit's message when the build succeeded and only the builder's push failed. */
const PUSH_FAILED = /failed to push \S+: (.+)/;

/** BuildKit makes SBOMs with docker/buildkit-syft-scanner:stable-1 (docs.docker.com/build/metadata/attestations/sbom). */
const SCANNER = /syft-scanner/;
const WITHOUT_SBOM = 'makes the SBOM, and the builder has to pull and run it; without an SBOM: --no-sbom';

/** How much of a log is shown where nothing was shown while it was written. */
const SHOWN_LINES = 20;

function lastLines(log: string): string {
  const lines = log.trimEnd().split('\n').slice(-SHOWN_LINES);
  return lines.map((line) => `  ${line}\n`).join('');
}

/** Null where the builder had the terminal. */
const logOf = ({ terminal, log }: BuildOptions) => (terminal ? null : log);

/** @param failed exit code, what Docker or the builder said, and the path of the full log */
function pushError(
  env: NodeJS.ProcessEnv,
  options: BuildOptions,
  { code, said, log }: { readonly code: number; readonly said: string; readonly log: string },
): CliError {
  const result = { argv: [docker(env)] as const, code, stderr: said, timedOut: false };
  const { message, exitCode, hints } = registryError(result, `push ${nameOf(options)}`, nameOf(options));
  return new CliError(message, { exitCode, hints: [...hints, `what Docker said: ${log}`] });
}

/** The text of a log; empty when there is no such file. */
function read(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8') : '';
}

/** The last error in a builder's log. */
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

/** The label that identifies the factory in an image. */
const FACTORY_LABEL = 'factory-worker.factory.sha256';
const REVISION_LABEL = 'org.opencontainers.image.revision';

/** The command lines of build and push, in order; an attesting builder pushes as part of the build. */
export function planBuild(
  options: BuildOptions,
  env: NodeJS.ProcessEnv,
  push: boolean,
): { readonly lines: readonly string[] } {
  if (!push) return { lines: [shellLine(buildArgv(options, 'load'))] };
  return {
    lines: [
      shellLine(buildArgv(options, options.attests ? 'push' : 'load')),
      ...(options.attests ? [] : [shellLine(pushArgv(options, env))]),
      shellLine(addTagArgv(env, options.repository, 'DIGEST', 'release-DIGEST')),
    ],
  };
}

export const nameOf = ({ repository, tag }: BuildOptions) => `${repository}:${tag}`;

export function buildArgv(options: BuildOptions, target: 'load' | 'push'): Argv {
  const { architectures, base, factory, log, sbom, terminal } = options;
  const root = packageRoot();
  const output =
    target === 'push'
      ? [
          '--push',
          '--provenance=mode=max',
          ...(sbom ? ['--sbom=true'] : []),
          `--metadata-file=${metadataFile(options)}`,
        ]
      : architectures.length === 1
        ? ['--load']
        : [];
  const build: Argv = [
    join(root, 'image', 'build.sh'),
    ...(base === undefined ? [] : ['--base', base]),
    '--factory',
    factory.dir,
    ...architectures.flatMap((architecture) => ['--architecture', architecture]),
    '--',
    // On a terminal it is redrawn in place.
    ...(terminal ? [] : ['--progress=plain']),
    `--tag=${nameOf(options)}`,
    `--label=${FACTORY_LABEL}=${factory.sha256}`,
    ...output,
  ];
  return terminal ? build : [join(root, 'image', 'with-log.sh'), log, ...build];
}

/** Where the builder that pushes leaves the digest. */
export const metadataFile = ({ log }: BuildOptions) => `${log}.json`;

/** Where Docker's output of a push is kept. */
export const pushLog = ({ log }: BuildOptions) => `${log}.push`;

export function pushArgv(options: BuildOptions, env: NodeJS.ProcessEnv): Argv {
  return [
    join(packageRoot(), 'image', 'with-log.sh'),
    pushLog(options),
    docker(env),
    'push',
    nameOf(options),
  ];
}

/** Whether an image in a registry was built from the same checkout and factory. */
export function isSame({ labels, platforms }: RegistryImage, options: BuildOptions): boolean {
  return (
    !options.dirty &&
    labels[REVISION_LABEL] === options.revision &&
    labels[FACTORY_LABEL] === options.factory.sha256 &&
    options.architectures.every((architecture) => platforms.includes(`linux/${architecture}`))
  );
}

const fileOf = (env: NodeJS.ProcessEnv) => join(dirname(releasesDir(env)), 'pushed');

/** `repository@sha256:…`, or null. */
export function lastPushed(env: NodeJS.ProcessEnv): string | null {
  try {
    return readFileSync(fileOf(env), 'utf8').trim() || null;
  } catch {
    return null;
  }
}

export function rememberPushed(env: NodeJS.ProcessEnv, image: string): void {
  replaceFileSync(fileOf(env), `${image}\n`);
}
