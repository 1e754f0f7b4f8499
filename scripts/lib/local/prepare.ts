/** Creates the folder of a local worker. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { CliError } from '../cli/errors.ts';
import { packageRoot } from '../cli/version.ts';
import { replaceFileSync } from '../config/replace-file.ts';
import { FILES, type Project, SCHEMA, type Settings } from '../contract.ts';
import { readVersioned } from '../read-contract.ts';
import { localEnvironment } from './environment.ts';
import { assertLinux, type LocalLayout, localLayout, makeSocketDir } from './layout.ts';

export interface LocalWorkerSpec {
  readonly dir: string;
  readonly name: string;
  /** Folders that hold factory, claude and gh; first on the worker's PATH. Absolute. */
  readonly binDirs: readonly string[];
  /** When omitted: those the folder already has, or none. */
  readonly projects?: readonly Project[];
  /** When omitted: those the folder already has, or the defaults. */
  readonly settings?: Settings;
  /** The author of the worker's commits. */
  readonly identity?: { readonly name: string; readonly email: string };
  /** Default: the environment of this process. */
  readonly callerEnv?: NodeJS.ProcessEnv;
}

/** `worker.json`: the environment of the supervisor and of every remote script of this worker. */
export interface LocalWorkerFile {
  readonly schema: number;
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Creates the folder, or updates an existing one. Never touches state (`home/.factory`) or secrets; of the private HOME only
 * `.bash_profile`, `.tmux.conf` and `.config/git/{config,ignore}` are ours.
 *
 * @throws CliError when the machine or the folder cannot be used
 */
export function prepareLocalWorker(spec: LocalWorkerSpec): LocalLayout {
  assertLinux();
  const relative = spec.binDirs.find((dir) => !isAbsolute(dir) || dir.includes(delimiter));
  if (relative !== undefined) {
    throw new CliError(
      `${relative} cannot be on a worker's PATH: an absolute path without "${delimiter}" is needed`,
    );
  }
  const dir = resolve(spec.dir);
  if (dir.includes("'")) {
    // `factory` types cd '…' into the panes of its stages.
    throw new CliError(`cannot create a worker in ${dir}: its path contains a '`, {
      hints: ['choose another folder'],
    });
  }
  try {
    // Before computing the layout: its names come from the folder's real path.
    mkdirSync(spec.dir, { recursive: true, mode: 0o700 });
    const layout = localLayout(spec.dir);
    makeFolders(layout);
    makeHome(layout, spec);
    const { WORKER_CONFIG_DIR } = layout.dirs;
    if (spec.projects) replaceJson(join(WORKER_CONFIG_DIR, FILES.projects), spec.projects);
    if (spec.settings) replaceJson(join(WORKER_CONFIG_DIR, FILES.settings), spec.settings);
    const env = localEnvironment(layout, spec.name, spec.binDirs, spec.callerEnv ?? process.env);
    const file: LocalWorkerFile = { schema: SCHEMA, name: spec.name, env };
    replaceJson(layout.workerFile, file);
    makeSocketDir(layout);
    return layout;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`cannot create a worker in ${spec.dir}: ${(error as Error).message}`);
  }
}

/**
 * @throws CliError when there is no worker in the folder, or ContractError when another version created it
 */
export function readLocalWorker(dir: string): LocalWorkerFile {
  const { workerFile } = localLayout(dir);
  if (!existsSync(workerFile)) {
    throw new CliError(`there is no local worker in ${dir}`, { hints: ['create one: scripts/local.ts up'] });
  }
  return readVersioned<LocalWorkerFile>('worker.json', readFileSync(workerFile, 'utf8'));
}

function makeFolders({ home, dirs, log }: LocalLayout): void {
  for (const folder of [home, ...Object.values(dirs), dirname(log)]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  chmodSync(dirs.WORKER_SECRETS_DIR, 0o700);
}

/** The image's files of /etc, as their counterparts in the private HOME. */
function makeHome({ home }: LocalLayout, { name, identity }: LocalWorkerSpec): void {
  const etc = join(packageRoot(), 'image', 'etc');
  const gitFolder = join(home, '.config', 'git');
  mkdirSync(gitFolder, { recursive: true, mode: 0o700 });
  copyFileSync(join(etc, 'tmux.conf'), join(home, '.tmux.conf'));
  copyFileSync(join(etc, 'profile.d', 'worker-path.sh'), join(home, '.bash_profile'));
  copyFileSync(join(etc, 'gitignore'), join(gitFolder, 'ignore'));
  const author = identity ?? { name, email: `${name}@localhost` };
  // git reads this one before ~/.gitconfig, which is left to the operator.
  replaceFileSync(
    join(gitFolder, 'config'),
    `[user]\n\tname = ${gitValue(author.name)}\n\temail = ${gitValue(author.email)}\n[init]\n\tdefaultBranch = main\n`,
  );
}

/** A value in git's configuration syntax. */
function gitValue(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', ' ')}"`;
}

function replaceJson(path: string, document: unknown): void {
  replaceFileSync(path, `${JSON.stringify(document, null, 2)}\n`);
}
