/** A port for what a test forwards. */
import { createServer } from 'node:net';

/** @returns a port of this machine that nothing listens on */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
