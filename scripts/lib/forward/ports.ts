/** The requested port, and the ports that can be forwarded. Pure. */
import { UsageError } from '../cli/errors.ts';
import type { Frame } from '../transport/frame.ts';

export interface Ports {
  readonly local: number;
  readonly remote: number;
}

/** @param text `8080`, or `18080:8080` for another port on this machine, or `:8080` for a free one */
export function parsePorts(text: string): Ports {
  const [, local, remote] = /^(?:(\d*):)?(\d+)$/.exec(text) ?? [];
  const ports = { local: Number(local ?? remote), remote: Number(remote) };
  const fits = (port: number, least: number) => Number.isInteger(port) && port >= least && port <= 65_535;
  if (!fits(ports.remote, 1) || !fits(ports.local, 0)) {
    throw new UsageError(
      `"${text}" is not a port`,
      'write 8080, or 18080:8080 for another one on this machine',
    );
  }
  return ports;
}

/**
 * Reads kubectl's output, chunk by chunk.
 *
 * @returns gives the local port once, and null for every other chunk: a second line repeats it for IPv6, and each connection
 *   prints a line of its own
 */
export function portReader(): (piece: string) => number | null {
  let printed: string | null = '';
  return (piece) => {
    if (printed === null) return null;
    printed += piece;
    const port = /^Forwarding from \S+:(\d+) ->/m.exec(printed)?.[1];
    if (port === undefined) return null;
    printed = null;
    return Number(port);
  };
}

/** A port that can be forwarded. */
export interface Listener {
  readonly port: number;
  /** The container that publishes it; null for a program of the worker itself. */
  readonly container: string | null;
}

/** @param frame the answer of scripts/remote/port-forward-look.sh */
export function parseListeners(frame: Frame): Listener[] {
  const ports = new Map<number, Listener>();
  for (const line of (frame.parts.get('listening')?.text ?? '').split('\n')) {
    const port = Number.parseInt(line.split(':')[1] ?? '', 16);
    if (port > 0) ports.set(port, { port, container: null });
  }
  // Without its userland proxy Docker publishes ports by iptables rules alone, and no process listens.
  for (const line of (frame.parts.get('containers')?.text ?? '').split('\n')) {
    const [container = '', published = ''] = line.split('\t');
    for (const [, first, last] of published.matchAll(/:(\d+)(?:-(\d+))?->/g)) {
      for (let port = Number(first); port <= Number(last ?? first); port++)
        ports.set(port, { port, container });
    }
  }
  return [...ports.values()].sort((a, b) => a.port - b.port);
}

/** `3000 (stack-web-1), 5432`. */
export function describeListeners(listeners: readonly Listener[]): string {
  return listeners
    .map(({ port, container }) => (container === null ? `${port}` : `${port} (${container})`))
    .join(', ');
}
