import { describe, expect, test } from 'vitest';
import { chooseNetworks, defaultInterface, resolvers } from '../../../image/supervisor/docker/network.ts';

const HEADER = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';

/** A line of /proc/net/route; addresses as the kernel prints them. */
function route(device: string, destination: string, mask: string, flags = '0003'): string {
  return [device, destination, '0100F40A', flags, '0', '0', '0', mask, '0', '0', '0'].join('\t');
}

function table(...lines: string[]): string {
  return `${[HEADER, ...lines].join('\n')}\n`;
}

describe('defaultInterface', () => {
  test('takes the device of the default route', () => {
    const routes = table(route('eth1', '0000A8C0', '00FFFFFF'), route('eth0', '00000000', '00000000'));
    expect(defaultInterface(routes)).toBe('eth0');
  });

  test('does not take a default route that is down', () => {
    expect(defaultInterface(table(route('eth0', '00000000', '00000000', '0002')))).toBeNull();
  });

  test('knows none without a table', () => {
    expect(defaultInterface('')).toBeNull();
  });
});

describe('chooseNetworks', () => {
  test('takes its first choices when nothing is in the way', () => {
    expect(chooseNetworks(table(route('eth0', '00000000', '00000000')), [])).toEqual({
      bridge: '172.30.0.1/24',
      pools: [
        { base: '172.29.0.0/16', size: 24 },
        { base: '172.28.0.0/16', size: 24 },
      ],
    });
  });

  test.each([
    // 172.30.5.0/24 is reached directly.
    ['a smaller network inside', [route('eth0', '00051EAC', '00FFFFFF')], [], '172.29.0.1/24'],
    // 172.24.0.0/13 covers 24 to 31.
    ['a bigger network around', [route('eth0', '000018AC', '0000F8FF')], [], '172.23.0.1/24'],
    ['the API server in it', [], ['172.30.0.1'], '172.29.0.1/24'],
    ['an address of another kind', [], ['', 'fd00::1', 'kubernetes', '1.2.3'], '172.30.0.1/24'],
  ])('goes out of the way of %s', (_what, lines, addresses, bridge) => {
    expect(chooseNetworks(table(...lines), addresses).bridge).toBe(bridge);
  });

  test('takes Docker’s own choice where everything is taken', () => {
    // 172.16.0.0/12
    expect(chooseNetworks(table(route('eth0', '000010AC', '0000F0FF')), [])).toEqual({
      bridge: '172.17.0.1/24',
      pools: [],
    });
  });
});

test('resolvers', () => {
  expect(
    resolvers('# x\nsearch a b\nnameserver 10.245.0.10\n nameserver fd00::1\noptions ndots:5\n'),
  ).toEqual(['10.245.0.10', 'fd00::1']);
});
