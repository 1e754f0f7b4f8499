/** A registry, queried with `docker buildx imagetools`: it has the operator's logins, and reads every kind of manifest. */
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { shellQuote } from '../cli/text.ts';
import type { Argv, RunResult } from '../exec.ts';

/** An image in a registry. */
export interface RegistryImage {
  readonly digest: string;
  /** `linux/amd64` …; empty when the manifest does not say. */
  readonly platforms: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 60_000;

/** `$DOCKER`, else docker. */
export const docker = (env: NodeJS.ProcessEnv): string => env['DOCKER'] || 'docker';

/**
 * @param reference an image name with a tag or digest
 * @returns null when the registry has no such image
 * @throws CliError when the registry refuses or cannot be reached, or buildx is missing
 */
export async function lookUp(
  { env, exec, signal }: Pick<Context, 'env' | 'exec' | 'signal'>,
  reference: string,
): Promise<RegistryImage | null> {
  const argv: Argv = [docker(env), 'buildx', 'imagetools', 'inspect', reference, '--format', '{{json .}}'];
  const result = await exec.run(argv, { env, signal, timeoutMs: TIMEOUT_MS });
  if (result.aborted) throw InterruptedError.by(signal);
  if (result.code === 0) return parseInspection(result.stdout.toString('utf8'));
  if (/: not found|manifest unknown|name unknown/i.test(result.stderr)) return null;
  throw registryError(result, `look up ${reference}`, reference);
}

/** Adds a tag to an image in its registry, without uploading anything. */
export async function addTag(
  { env, exec, signal }: Pick<Context, 'env' | 'exec' | 'signal'>,
  repository: string,
  digest: string,
  tag: string,
): Promise<void> {
  const result = await exec.run(addTagArgv(env, repository, digest, tag), {
    env,
    signal,
    timeoutMs: TIMEOUT_MS,
  });
  if (result.aborted) throw InterruptedError.by(signal);
  if (result.code !== 0) throw registryError(result, `tag ${repository}@${digest}`, repository);
}

export function addTagArgv(env: NodeJS.ProcessEnv, repository: string, digest: string, tag: string): Argv {
  return [
    docker(env),
    'buildx',
    'imagetools',
    'create',
    '--tag',
    `${repository}:${tag}`,
    `${repository}@${digest}`,
  ];
}

interface ImageConfig {
  readonly os?: string;
  readonly architecture?: string;
  readonly config?: { readonly Labels?: Readonly<Record<string, string>> };
}

/** @param json `imagetools inspect --format '{{json .}}'`: one image, or one for each platform */
export function parseInspection(json: string): RegistryImage {
  const { manifest, image } = JSON.parse(json) as {
    readonly manifest: { readonly digest: string };
    readonly image?: ImageConfig | Readonly<Record<string, ImageConfig>>;
  };
  const images: ImageConfig[] =
    image === undefined || image === null
      ? []
      : 'architecture' in image
        ? [image as ImageConfig]
        : Object.values(image as Readonly<Record<string, ImageConfig>>);
  return {
    digest: manifest.digest,
    platforms: images.flatMap(({ os, architecture }) =>
      os && architecture ? [`${os}/${architecture}`] : [],
    ),
    labels: images[0]?.config?.Labels ?? {},
  };
}

/** Docker's errors, and what to do; REGISTRY is replaced by the registry's name. */
const RULES: readonly (readonly [RegExp, string])[] = [
  [
    /unauthorized|authentication required|no basic auth|denied|403 Forbidden|401 Unauthorized/i,
    'log in: docker login REGISTRY (DigitalOcean: doctl registry login --read-write; a read-only login cannot push)',
  ],
  [
    /garbage collection|read[- ]only|Method Not Allowed|UNSUPPORTED/i,
    'the registry is read-only during garbage collection (DigitalOcean: doctl registry garbage-collection get-active); try again afterwards',
  ],
  [
    /no such host|connection refused|i\/o timeout|network is unreachable|TLS handshake|server gave HTTP response/i,
    'is the registry up, and its name correct?',
  ],
  [
    /unknown blob|unexpected EOF|connection reset|broken pipe|closed (?:pipe|network connection)|content size/i,
    'the connection was interrupted: type it again; what is already there is not sent again',
  ],
  [/Cannot connect to the Docker daemon/i, 'start Docker (or set DOCKER_HOST)'],
  [
    /is not a docker command|unknown command.*buildx|unknown flag/i,
    'install buildx: https://docs.docker.com/build/install-buildx/',
  ],
];

/**
 * @param doing completes "cannot …"
 * @param image the image concerned; its name begins with the registry
 */
export function registryError(
  result: Pick<RunResult, 'argv' | 'code' | 'stderr' | 'timedOut'>,
  doing: string,
  image = '',
): CliError {
  if (result.code === 127 || result.code === 126) {
    return new CliError(`cannot ${doing}: ${result.argv[0]} is not installed, or not on PATH`, {
      exitCode: ExitCode.missingProgram,
      hints: ['install Docker with buildx, or name the image by its digest: --image REPOSITORY@sha256:…'],
    });
  }
  if (result.timedOut)
    return new CliError(`cannot ${doing}: no answer in time`, { exitCode: ExitCode.timeout });
  const lines = result.stderr.split('\n').filter((line) => line.trim() !== '');
  const said =
    lines.findLast((line) => /error|denied|unauthorized|refused/i.test(line)) ??
    lines.at(-1) ??
    `it ended with ${result.code}`;
  const [registry] = image.split('/');
  const hint = RULES.find(([pattern]) => pattern.test(result.stderr))?.[1];
  return new CliError(`cannot ${doing}: ${said.replace(/^(?:ERROR|error): /, '').trim()}`, {
    hints: hint === undefined ? [] : [registry ? hint.replace('REGISTRY', () => shellQuote(registry)) : hint],
  });
}
