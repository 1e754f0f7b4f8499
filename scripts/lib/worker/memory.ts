/** Memory of a worker's control groups, as `memory` in scripts/remote/worker.sh prints it. Pure. */

export interface CgroupMemory {
  /** How often the kernel killed a process at this limit. */
  readonly kills: number;
  /** 0 when unknown. */
  readonly usedBytes: number;
  /** What of that the kernel drops before it kills: files that were read and are not in use. */
  readonly idleBytes: number;
  /** Null: no limit. */
  readonly limitBytes: number | null;
}

/** cgroup v1 expresses "no limit" as the largest number of pages. */
const NO_LIMIT = 2 ** 60;

/**
 * @param text lines `NAME oom_kills usage limit inactive_file`
 * @returns by name: `pod`, `docker`
 */
export function parseMemory(text: string): Map<string, CgroupMemory> {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [name = '', kills, used, limit, idle] = line.split(' ');
        const limitBytes = Number(limit);
        return [
          name,
          {
            kills: Number(kills) || 0,
            usedBytes: Number(used) || 0,
            idleBytes: Number(idle) || 0,
            limitBytes: limitBytes > 0 && limitBytes < NO_LIMIT ? limitBytes : null,
          },
        ];
      }),
  );
}
