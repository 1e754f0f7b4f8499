/** A worker's use of disk and memory: parses the answer of scripts/remote/usage.sh, and what Docker reports. Pure. */
import { readJsonLines } from '../read-contract.ts';
import type { Frame } from '../transport/frame.ts';
import { type Disk, parseDisks } from '../worker/disk.ts';
import { parseMemory } from '../worker/memory.ts';

export interface Sized {
  readonly name: string;
  readonly bytes: number;
}

/** Sizes are bytes on disk. Null: a local worker has none of its own, or it is unknown. */
export interface Usage {
  /** The volume with the clones, the logs and factory's own files. */
  readonly disk: Disk | null;
  readonly dockerDisk: Disk | null;
  readonly memory: { readonly usedBytes: number; readonly limitBytes: number | null } | null;
  readonly docker: readonly DockerKind[] | null;
  /** By issue: `demo#23`. */
  readonly worktrees: readonly Sized[];
  /** Without their worktrees. */
  readonly clones: readonly Sized[];
  readonly logsBytes: number;
  readonly backupsBytes: number;
  /** Claude's conversations and settings. */
  readonly agentsBytes: number;
  readonly pipelinesBytes: number;
  /** Of the queue's database in PostgreSQL; 0 when there is none. That of SQLite is among the pipelines. */
  readonly databaseBytes: number;
}

export function parseUsage({ parts }: Frame): Usage {
  const text = (name: string) => {
    const part = parts.get(name);
    return part?.rc === 0 ? part.text : null;
  };
  const sizes = (text('sizes') ?? '').split('\n').map((line) => line.split('\t'));
  const of = (kind: string) =>
    sizes
      .filter(([word]) => word === kind)
      .map(([, name = '', bytes]) => ({ name, bytes: Number(bytes) || 0 }));
  const only = (kind: string) => of(kind)[0]?.bytes ?? 0;
  const docker = text('docker');
  return {
    disk: parseDisks(text('disk') ?? '')[0] ?? null,
    dockerDisk: parseDisks(text('docker-disk') ?? '')[0] ?? null,
    memory: podMemory(text('memory') ?? ''),
    docker: docker === null ? null : parseDockerKinds(docker),
    worktrees: of('worktree'),
    clones: of('clone'),
    logsBytes: only('logs'),
    backupsBytes: only('backups'),
    agentsBytes: only('agents'),
    pipelinesBytes: only('pipelines'),
    databaseBytes: only('database'),
  };
}

function podMemory(text: string): Usage['memory'] {
  const pod = parseMemory(text).get('pod');
  return pod && pod.usedBytes > 0 ? { usedBytes: pod.usedBytes, limitBytes: pod.limitBytes } : null;
}

export function sumBytes(things: readonly { readonly bytes: number }[]): number {
  return things.reduce((sum, { bytes }) => sum + bytes, 0);
}

const UNITS: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** @param text a size from Docker, in powers of 1000: `1.234GB`, or with a share after it: `1.2GB (80%)` */
export function dockerBytes(text: string): number {
  const [, amount, unit = ''] = /^([\d.]+)(B|kB|MB|GB|TB)\b/.exec(text) ?? [];
  return Math.round(Number(amount ?? 0) * (UNITS[unit] ?? 0));
}

/** A row of `docker system df`: `Images`, `Containers`, `Local Volumes`, `Build Cache`. */
export interface DockerKind {
  readonly type: string;
  readonly bytes: number;
  readonly reclaimableBytes: number;
}

/** @param text of `docker system df --format '{{json .}}'` */
export function parseDockerKinds(text: string): DockerKind[] {
  return readJsonLines('dockerSize', 'docker system df', text).map(({ Type, Size, Reclaimable }) => ({
    type: Type ?? '',
    bytes: dockerBytes(Size ?? ''),
    reclaimableBytes: dockerBytes(Reclaimable ?? ''),
  }));
}

/** @param text of `docker image ls --format '{{json .}}'` */
export function sumImageBytes(text: string): number {
  return readJsonLines('dockerSize', 'docker image ls', text).reduce(
    (sum, { Size }) => sum + dockerBytes(Size ?? ''),
    0,
  );
}
