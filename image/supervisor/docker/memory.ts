/** Docker's containers get less memory than the whole pod, so that tmux, the agents and dockerd keep some. */
import type { Files } from '../effects/effects.ts';
import { messageOf } from '../util/errors.ts';
import { CGROUP_PARENT } from './daemon-config.ts';

const CGROUP = '/sys/fs/cgroup';
/** cgroup v1 expresses "no limit" as the largest number of pages. */
const NO_LIMIT = 2 ** 60;

/**
 * @param podBytes the pod's limit; null when there is none
 * @param reserveBytes what containers must leave free
 * @returns the limit of Docker's cgroup, or null for none. At least half of the pod's, whatever the reserve.
 */
export function containersLimit(podBytes: number | null, reserveBytes: number): number | null {
  if (podBytes === null) return null;
  return Math.max(podBytes - reserveBytes, Math.floor(podBytes / 2));
}

interface Hierarchy {
  readonly limitFile: string;
  readonly directory: string;
}

function hierarchy(files: Files): Hierarchy {
  return files.exists(`${CGROUP}/cgroup.controllers`)
    ? { limitFile: 'memory.max', directory: CGROUP }
    : { limitFile: 'memory.limit_in_bytes', directory: `${CGROUP}/memory` };
}

function readBytes(text: string | null | undefined): number | null {
  const bytes = Number.parseInt(text ?? '', 10);
  return bytes > 0 && bytes < NO_LIMIT ? bytes : null;
}

/**
 * The pod's limit: the cgroup's own, else the one from the chart; null when there is neither. The cgroup comes first, since a
 * running pod can be resized (Kubernetes 1.33), and its environment stays as it was at the start.
 */
export function podLimit(files: Files, declared: string | undefined): number | null {
  const { directory, limitFile } = hierarchy(files);
  return readBytes(files.read(`${directory}/${limitFile}`)) ?? readBytes(declared);
}

/**
 * Gives Docker's cgroup another limit while containers run.
 *
 * @returns false when they use more than that: cgroup v2 would kill one of them, v1 refuses it
 */
export function resizeContainers(files: Files, limitBytes: number): boolean {
  const { directory, limitFile } = hierarchy(files);
  const usageFile = limitFile === 'memory.max' ? 'memory.current' : 'memory.usage_in_bytes';
  const used = readBytes(files.read(`${directory}${CGROUP_PARENT}/${usageFile}`)) ?? 0;
  if (used > limitBytes) return false;
  files.overwrite(`${directory}${CGROUP_PARENT}/${limitFile}`, `${limitBytes}`);
  return true;
}

export function containersMayUse(limitBytes: number): string {
  return `containers may use ${Math.floor(limitBytes / 1024 ** 2)} MiB`;
}

/**
 * Creates Docker's cgroup with its limit, before dockerd creates it without one. Pod only.
 *
 * @returns a message for the boot record
 */
export function limitContainers(files: Files, limitBytes: number | null): string {
  const { directory, limitFile } = hierarchy(files);
  if (limitBytes === null) return 'no memory limit';
  try {
    files.makeDirectory(`${directory}${CGROUP_PARENT}`);
    files.overwrite(`${directory}${CGROUP_PARENT}/${limitFile}`, `${limitBytes}`);
    return containersMayUse(limitBytes);
  } catch (error) {
    return `containers have no limit of their own (${messageOf(error)})`;
  }
}
