/**
 * Which iptables Docker uses. A node's kernel may support only one of the two, and rules made with one in the pod's network
 * namespace are invisible to the other. Never probed with `iptables-legacy`, which would load kernel modules.
 */
import type { Effects } from '../effects/effects.ts';

export type Backend = 'nft' | 'legacy';

const TIMEOUT_MS = 10_000;

/**
 * @param legacyTables content of /proc/net/ip_tables_names: the tables in use by the old kernel interface
 * @param nftWorks whether iptables-nft can list the nat table
 */
export function chooseBackend(legacyTables: string, nftWorks: boolean): Backend {
  if (legacyTables.split('\n').includes('nat')) return 'legacy';
  return nftWorks ? 'nft' : 'legacy';
}

/** Makes the one that works the system's default. Pod only. @returns which one it is */
export async function selectBackend({
  files,
  processes,
}: Pick<Effects, 'files' | 'processes'>): Promise<Backend> {
  const probe = await processes.run(['iptables-nft', '--table', 'nat', '--list-rules'], {
    timeoutMs: TIMEOUT_MS,
  });
  const backend = chooseBackend(files.read('/proc/net/ip_tables_names') ?? '', probe.code === 0);
  for (const name of ['iptables', 'ip6tables']) {
    const program = `/usr/sbin/${name}-${backend}`;
    // update-alternatives takes a quarter of a second, and usually has nothing to change.
    if (files.identity(`/usr/sbin/${name}`) === files.identity(program)) continue;
    await processes.run(['update-alternatives', '--set', name, program], { timeoutMs: TIMEOUT_MS });
  }
  return backend;
}
