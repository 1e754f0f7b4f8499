/** daemon.json of the worker's Docker: all settings in one file, so that no flag can contradict them. */
import type { Settings } from '../../../scripts/lib/contract.ts';
import type { DockerNetworks } from './network.ts';

export const SOCKET = '/var/run/docker.sock';
export const DATA_ROOT = '/var/lib/docker';

/** Docker's cgroup, below the pod's own; ./memory.ts limits it. */
export const CGROUP_PARENT = '/docker';

const GIB = 1024 ** 3;

export interface DaemonFacts {
  /** MTU of the interface of the default route. */
  readonly mtu: number;
  readonly networks: DockerNetworks;
}

/** @returns the object that goes into daemon.json */
export function daemonConfig({ docker }: Settings, { mtu, networks }: DaemonFacts): object {
  const actualMtu = docker.mtu ?? mtu;
  const pools = docker.addressPools.length > 0 ? docker.addressPools : networks.pools;
  const size = docker.storage.sizeBytes;
  return {
    // Only the socket: access to a TCP port of dockerd would mean full control of the node.
    hosts: [`unix://${SOCKET}`],
    'data-root': DATA_ROOT,
    // Explicit, so that dockerd reports an error instead of silently falling back to vfs.
    'storage-driver': 'overlay2',
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    'cgroup-parent': CGROUP_PARENT,
    mtu: actualMtu,
    // `mtu` applies to docker0 only; the networks of compose take theirs from here (moby#34981).
    'default-network-opts': { bridge: { 'com.docker.network.driver.mtu': `${actualMtu}` } },
    ...(docker.addressPools.length > 0 ? {} : { bip: networks.bridge }),
    ...(pools.length > 0 ? { 'default-address-pools': pools } : {}),
    ...(docker.registryMirrors.length > 0 ? { 'registry-mirrors': docker.registryMirrors } : {}),
    // The default, json-file, has no size limit.
    'log-driver': 'local',
    'log-opts': { 'max-size': '10m', 'max-file': '3' },
    builder: {
      gc: {
        enabled: true,
        defaultKeepStorage: `${Math.floor(Math.min(size ? size / 4 : 5 * GIB, 20 * GIB))}`,
      },
    },
    // Containers survive the death of dockerd.
    'live-restore': true,
    'shutdown-timeout': 10,
  };
}
