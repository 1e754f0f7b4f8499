/** The command lines that build and push a worker image, and what tells that an image is there already. Pure. */
import { join } from 'node:path';
import { shellLine } from '../cli/text.ts';
import { packageRoot } from '../cli/version.ts';
import type { Argv } from '../exec.ts';
import { addTagArgv, docker, type RegistryImage } from '../registry/registry.ts';
import type { BuildOptions } from './build-options.ts';

/** The label by which an image in a registry is known to carry the same factory. */
const FACTORY_LABEL = 'factory-worker.factory.sha256';
const REVISION_LABEL = 'org.opencontainers.image.revision';

/** The command lines of build and push, in order; of the attesting builder the push is part of the build. */
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
  const { architectures, base, factory, log, sbom } = options;
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

/** Where the builder that pushes leaves the digest. */
export const metadataFile = ({ log }: BuildOptions) => `${log}.json`;

/** What Docker prints of a push is kept here. */
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

/** Whether an image in a registry was made of the same checkout and factory. */
export function isSame({ labels, platforms }: RegistryImage, options: BuildOptions): boolean {
  return (
    !options.dirty &&
    labels[REVISION_LABEL] === options.revision &&
    labels[FACTORY_LABEL] === options.factory.sha256 &&
    options.architectures.every((architecture) => platforms.includes(`linux/${architecture}`))
  );
}
