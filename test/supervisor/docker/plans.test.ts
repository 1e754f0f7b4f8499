import { describe, expect, test } from 'vitest';
import { daemonConfig } from '../../../image/supervisor/docker/daemon-config.ts';
import { fullness } from '../../../image/supervisor/docker/disk.ts';
import { chooseBackend } from '../../../image/supervisor/docker/iptables.ts';
import { containersLimit } from '../../../image/supervisor/docker/memory.ts';
import { DEFAULT_SETTINGS, type Settings } from '../../../scripts/lib/contract.ts';

const GIB = 1024 ** 3;

function settings(docker: Partial<Settings['docker']> = {}): Settings {
  return { ...DEFAULT_SETTINGS, docker: { ...DEFAULT_SETTINGS.docker, enabled: true, ...docker } };
}

const FACTS = {
  mtu: 1410,
  networks: { bridge: '172.30.0.1/24', pools: [{ base: '172.29.0.0/16', size: 24 }] },
};

describe('daemonConfig', () => {
  test('takes the MTU of the pod for docker0 and for the networks of compose', () => {
    expect(daemonConfig(settings(), FACTS)).toMatchObject({
      mtu: 1410,
      'default-network-opts': { bridge: { 'com.docker.network.driver.mtu': '1410' } },
      bip: '172.30.0.1/24',
      'default-address-pools': [{ base: '172.29.0.0/16', size: 24 }],
      'storage-driver': 'overlay2',
      'log-driver': 'local',
      hosts: ['unix:///var/run/docker.sock'],
    });
  });

  test('what the chart says wins', () => {
    const config = daemonConfig(
      settings({
        mtu: 1300,
        addressPools: [{ base: '10.99.0.0/16', size: 24 }],
        registryMirrors: ['https://mirror.example'],
      }),
      FACTS,
    );
    expect(config).toMatchObject({
      mtu: 1300,
      'default-address-pools': [{ base: '10.99.0.0/16', size: 24 }],
      'registry-mirrors': ['https://mirror.example'],
    });
    // docker0 then takes its network from the pools, too.
    expect(config).not.toHaveProperty('bip');
  });

  test.each([
    [null, 5 * GIB],
    [20 * GIB, 5 * GIB],
    [8 * GIB, 2 * GIB],
    [200 * GIB, 20 * GIB],
  ])('a volume of %d bytes keeps %d bytes of build cache', (sizeBytes, keep) => {
    expect(daemonConfig(settings({ storage: { kind: 'ephemeral', sizeBytes } }), FACTS)).toMatchObject({
      builder: { gc: { enabled: true, defaultKeepStorage: `${keep}` } },
    });
  });
});

describe('containersLimit', () => {
  test.each([
    ['leaves the reserve', 8 * GIB, GIB, 7 * GIB],
    ['never takes more than half', GIB, GIB, GIB / 2],
    ['has none in a pod without one', null, GIB, null],
  ])('%s', (_what, pod, reserve, limit) => {
    expect(containersLimit(pod, reserve)).toBe(limit);
  });
});

describe('chooseBackend', () => {
  test.each([
    ['nft', '', true, 'nft'],
    ['what the rules of others use', 'filter\nnat\n', true, 'legacy'],
    ['nft beside a foreign filter table', 'filter\n', true, 'nft'],
    ['the only one that works', '', false, 'legacy'],
  ])('takes %s', (_what, tables, works, backend) => {
    expect(chooseBackend(tables, works)).toBe(backend);
  });
});

describe('fullness', () => {
  const half = { usedBytes: 50, sizeBytes: 100 };
  test.each([
    ['of the disk', half, null, { kind: 'ephemeral', sizeBytes: 10 }, 50],
    ['of what an emptyDir was given', half, 8, { kind: 'emptyDir', sizeBytes: 10 }, 80],
    ['of the node’s disk, when that is worse', half, 1, { kind: 'emptyDir', sizeBytes: 10 }, 50],
    [
      'of the disk, for an emptyDir that was given nothing',
      half,
      8,
      { kind: 'emptyDir', sizeBytes: null },
      50,
    ],
    ['of nothing', { usedBytes: 0, sizeBytes: 0 }, null, { kind: 'claim', sizeBytes: null }, 0],
  ] as const)('%s', (_what, use, counted, storage, percent) => {
    expect(fullness(use, counted, storage)).toBe(percent);
  });
});
