/** Settings of Docker's networks: the MTU of the pod, and addresses that the cluster does not use. Pure functions. */

export interface AddressPool {
  readonly base: string;
  /** Prefix length of each network allocated from it. */
  readonly size: number;
}

export interface DockerNetworks {
  /** Address of docker0, with its prefix length. */
  readonly bridge: string;
  readonly pools: readonly AddressPool[];
}

/** Private /16 networks, those least used by clusters and clouds first; 172.17 is Docker's own default. */
const CANDIDATES = [30, 29, 28, 27, 26, 25, 24, 31, 23, 22, 21, 20, 19, 18, 17, 16].map((n) => `172.${n}`);
/** The networks of compose stacks. */
const POOLS = 2;

/**
 * @param routes content of /proc/net/route
 * @returns the interface of the default route; null when there is none
 */
export function defaultInterface(routes: string): string | null {
  for (const [name, destination, , flags, , , , mask] of rows(routes)) {
    if (name && destination === '00000000' && mask === '00000000' && isUp(flags)) return name;
  }
  return null;
}

/**
 * Networks for Docker that contain no address known to be in use.
 *
 * @param routes content of /proc/net/route: what the pod reaches directly
 * @param addresses further addresses in use, such as the API server's and the resolvers'
 */
export function chooseNetworks(routes: string, addresses: readonly string[]): DockerNetworks {
  const known = rows(routes)
    .map(([, destination = '00000000', , , , , , mask = '00000000']) => range(destination, mask))
    .filter((one) => one.mask !== 0);
  const single = addresses.map(parseAddress).filter((address) => address !== null);
  const free = CANDIDATES.filter((candidate) => {
    const base = parseAddress(`${candidate}.0.0`) ?? 0;
    const overlaps = ({ base: other, mask }: Range) => {
      const common = (mask & 0xffff0000) >>> 0;
      return (base & common) >>> 0 === (other & common) >>> 0;
    };
    return !known.some(overlaps) && !single.some((address) => address >>> 16 === base >>> 16);
  });
  // None is free only when all of 172.16/12 is routed; then Docker's own default is no worse.
  const [bridge = '172.17', ...rest] = free;
  return {
    bridge: `${bridge}.0.1/24`,
    pools: rest.slice(0, POOLS).map((base) => ({ base: `${base}.0.0/16`, size: 24 })),
  };
}

/** @param text content of /etc/resolv.conf */
export function resolvers(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address);
}

interface Range {
  readonly base: number;
  readonly mask: number;
}

function rows(routes: string): string[][] {
  return routes
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8);
}

/** RTF_UP of route(8). */
function isUp(flags = '0'): boolean {
  return (Number.parseInt(flags, 16) & 1) === 1;
}

/** The kernel prints addresses as hexadecimal numbers in the machine's byte order, which is little-endian here. */
function range(destination: string, mask: string): Range {
  return { base: swap(Number.parseInt(destination, 16)), mask: swap(Number.parseInt(mask, 16)) };
}

function swap(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

function parseAddress(text: string): number | null {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255))
    return null;
  const [a = 0, b = 0, c = 0, d = 0] = parts;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
