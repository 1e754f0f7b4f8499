/** The disk space that Docker reports. Pure. */
import { readJsonLines } from '../read-contract.ts';

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
