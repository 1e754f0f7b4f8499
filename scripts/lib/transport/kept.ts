/**
 * A `kubectl proxy` that stays after the command that has started it, for the next one, as ssh's ControlPersist: opt-in, by
 * `keepConnection` of an entry in workers.yaml. Whoever may open its socket may ask what the proxy lets through without a login,
 * so the socket is in a folder that nobody else may enter.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { homeOf } from '../config/paths.ts';
import type { Argv, Served } from '../exec.ts';
import type { Cluster } from './kubectl.ts';

/** A connection that stays. */
export interface Kept {
  readonly socket: string;
  /** What can be said of a program that is not ours to watch. */
  readonly served: Served;
  /** Makes sure that the next command starts another one. */
  discard(): void;
}

export interface KeptRequest {
  readonly cluster: Pick<Cluster, 'exec' | 'env'>;
  readonly kubeconfig: string | undefined;
  /** How long it may take to start. */
  readonly timeoutMs: number;
  /** How long it stays without being used: `10m`, `2h`. */
  readonly keep: string;
  /** The longest path of a socket. */
  readonly longestSocket: number;
  /** The command line of a proxy with that socket. */
  readonly argv: (socket: string) => Argv;
}

/** Well below a minute, after which it may end. */
const USE_MS = 15_000;

/** Between two tries to reach a proxy that starts. */
const POLL_MS = 20;

/**
 * Finds the proxy that an earlier command has left, or starts one.
 *
 * @returns null when neither can be had
 */
export async function keptProxy(request: KeptRequest): Promise<Kept | null> {
  const { cluster, argv, keep, longestSocket, timeoutMs } = request;
  const parent = await privateFolder(cluster.env);
  if (parent === null) return null;
  const folder = join(parent, await keyOf(request));
  const kept = keptIn(folder);
  if (Buffer.byteLength(kept.socket) > longestSocket) return null;
  let starts = await makeFolder(folder);
  if (!starts && (await reach(kept.socket)) === 'refused') {
    // Left by one that was killed, or by a machine that was switched off.
    await discardFolder(folder);
    starts = await makeFolder(folder);
  }
  if (starts)
    await cluster.exec.keep(argv(kept.socket), { env: cluster.env, folder, minutes: minutesOf(keep) });
  for (let left = timeoutMs; left > 0; left -= POLL_MS) {
    if ((await reach(kept.socket)) === 'open') {
      stayInUse(folder);
      if (!starts) cluster.exec.trace(['proxy:', 'kept', kept.socket]);
      return kept;
    }
    // It has ended, and kubectl itself will say why.
    if (!(await exists(folder))) return null;
    await sleep(POLL_MS);
  }
  await discardFolder(folder);
  return null;
}

/** For as long as this command lives: the proxy must not end in the middle of a request. */
function stayInUse(folder: string): void {
  const use = () => void utimes(join(folder, 'used'), new Date(), new Date()).catch(() => {});
  use();
  setInterval(use, USE_MS).unref();
}

function keptIn(folder: string): Kept {
  const log = join(folder, 'log');
  return {
    socket: join(folder, 'proxy'),
    served: {
      running: true,
      get said() {
        return statSync(log, { throwIfNoEntry: false })?.size ?? 0;
      },
      saidSince: (said) => readFrom(log, said),
      end: () => {},
    },
    discard: () => void discardFolder(folder),
  };
}

/** Only this user's; as tmux and ssh do, none that somebody else may have prepared is used. */
async function privateFolder(env: NodeJS.ProcessEnv): Promise<string | null> {
  const uid = process.getuid?.() ?? -1;
  const folder = join(env['XDG_RUNTIME_DIR'] || tmpdir(), `factory-worker-${uid}`);
  await mkdir(folder, { mode: 0o700 }).catch(() => {});
  const found = await lstat(folder).catch(() => null);
  return found?.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0 ? folder : null;
}

/**
 * What has to be the same for a proxy to be the right one: its command line, the files and variables by which kubectl finds
 * server and identity. After a change in the kubeconfig the old one is not found, and ends unused.
 */
async function keyOf({ cluster: { env }, kubeconfig, argv }: KeptRequest): Promise<string> {
  const files = kubeconfig ?? (env['KUBECONFIG'] || join(homeOf(env), '.kube', 'config'));
  const states = files.split(delimiter).map(async (path) => {
    const { ino, size, mtimeMs } = (await stat(path).catch(() => null)) ?? {};
    return [path, ino, size, mtimeMs];
  });
  const variables = Object.entries(env)
    .filter(([name]) => IDENTITY.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([argv(''), await Promise.all(states), variables]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Of plugins for credentials, the way to a server, and where programs are found. */
const IDENTITY =
  /^(KUBE|AWS_|AZURE_|ARM_|GOOGLE_|CLOUDSDK_|GCP_|DIGITALOCEAN_|OCI_|HOME$|PATH$|(HTTPS?|NO|ALL)_PROXY$)/i;

/** `10m`, `2h`: find(1) counts in minutes. */
function minutesOf(keep: string): number {
  return Number.parseInt(keep, 10) * (keep.endsWith('h') ? 60 : 1);
}

/** @returns whether this command made it, and so starts the proxy */
async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 });
    writeFileSync(join(folder, 'used'), '');
    return true;
  } catch {
    return false;
  }
}

/** Out of the way at once: the next command may make another. */
async function discardFolder(folder: string): Promise<void> {
  const aside = `${folder}.${process.pid}`;
  await rename(folder, aside).catch(() => {});
  await rm(aside, { recursive: true, force: true });
}

function reach(socket: string): Promise<'open' | 'refused' | 'absent'> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve('open');
    });
    connection.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'ECONNREFUSED' ? 'refused' : 'absent'),
    );
  });
}

async function exists(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => null)) !== null;
}

/** The most that is read of what a program has said. */
const SAID_BYTES = 8_192;

function readFrom(file: string, offset: number): string {
  try {
    const descriptor = openSync(file, 'r');
    try {
      const from = Math.max(offset, fstatSync(descriptor).size - SAID_BYTES);
      const buffer = Buffer.alloc(SAID_BYTES);
      return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, SAID_BYTES, from));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return '';
  }
}
