/** Extracts a registry's login from a Docker configuration: only the one that the worker's image needs. */
import { readFile } from 'node:fs/promises';
import { CliError } from '../cli/errors.ts';
import { shellLine } from '../cli/text.ts';
import { isRecord } from '../contract.ts';

/** The registry in an image's name, as in Docker's configuration; null when the name has none. */
export function registryOf(image: string): string | null {
  const [first = ''] = image.split('/');
  const isHost = image.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  return isHost ? first : null;
}

/**
 * @param text a Docker config.json
 * @returns the same with only one registry's login
 * @throws CliError when it has none, also when a credential helper has it
 */
export function loginFor(text: string, registry: string, file: string): string {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    throw new CliError(`${file} is not a Docker configuration: it is not JSON`);
  }
  const auths = isRecord(config) && isRecord(config['auths']) ? config['auths'] : {};
  const login = auths[registry] ?? auths[`https://${registry}`];
  if (isRecord(login) && (login['auth'] || login['username'])) {
    return JSON.stringify({ auths: { [registry]: login } });
  }
  const helper = isRecord(config) ? (config['credsStore'] ?? config['credHelpers']) : undefined;
  throw new CliError(`${file} has no login for ${registry}${helper ? ', a helper program keeps it' : ''}`, {
    hints: [
      `write one into a file of its own: DOCKER_CONFIG=DIR ${shellLine(['docker', 'login', registry])}, with {} in DIR/config.json; then give --pull-secret-file DIR/config.json`,
      "or let the provider's tool make the Secret, such as: doctl registry kubernetes-manifest | kubectl apply --filename -",
    ],
  });
}

/** @throws CliError when the file cannot be read or has no login, or when the image does not name its registry */
export async function readLogin(file: string, image: string): Promise<string> {
  const registry = registryOf(image);
  if (registry === null) {
    throw new CliError(`--pull-secret-file: the image ${image} does not name its registry`, {
      hints: ['give the whole name: --set image.repository=HOST/TEAM/factory-worker'],
    });
  }
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(`--pull-secret-file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  return loginFor(text, registry, file);
}
