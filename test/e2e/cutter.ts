/** A TCP proxy in front of the API server that cuts connections: what a load balancer, a VPN or a lid does. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { apiServer, kubeconfigWith } from './cluster.ts';

export interface Connection {
  /** Bytes that came from the API server. */
  received: number;
}

export class Cutter {
  /** Every connection so far, in the order of their beginning. */
  readonly connections: Connection[] = [];
  /** Asked with each piece of an answer: how many of the connection's bytes may pass; null for all. */
  limit: (connection: Connection, index: number) => number | null = () => null;
  /** Whether nothing arrives any more, on either side, though the connections stand: a network that is gone without a word. */
  silent = false;
  #server: Server;
  #sockets = new Set<Socket>();

  private constructor() {
    const { host, port } = apiServer();
    this.#server = createServer((client) => {
      const index = this.connections.length;
      const connection: Connection = { received: 0 };
      this.connections.push(connection);
      const server = connect(port, host);
      const end = () => {
        client.destroy();
        server.destroy();
      };
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', end);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          end();
        });
      }
      client.on('data', (chunk: Buffer) => {
        if (!this.silent) server.write(chunk);
      });
      server.on('data', (chunk: Buffer) => {
        if (this.silent) return;
        const limit = this.limit(connection, index);
        const rest = limit === null ? chunk.length : Math.max(0, limit - connection.received);
        connection.received += Math.min(rest, chunk.length);
        if (rest >= chunk.length) {
          client.write(chunk);
        } else {
          client.write(chunk.subarray(0, rest), end);
        }
      });
    });
  }

  static async open(): Promise<Cutter> {
    const cutter = new Cutter();
    await new Promise<void>((resolve) => cutter.#server.listen(0, '127.0.0.1', resolve));
    return cutter;
  }

  /** A kubeconfig that goes through this proxy. */
  kubeconfig(name: string): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return kubeconfigWith(name, { port: address.port });
  }

  /** Cuts what is open now. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): Promise<void> {
    this.cutAll();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
