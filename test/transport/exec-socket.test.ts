/** A program that says nothing for long: whether the connection to it is still there. */
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { execSocket } from '../../scripts/lib/transport/exec-socket.ts';

const OPTIONS = { timeoutMs: 20_000, signal: new AbortController().signal, maxBytes: 1_000 };
const STDOUT = 1;
/** As the API server says that a program has succeeded. */
const SUCCESS = Buffer.concat([Buffer.of(3), Buffer.from('{"status":"Success"}')]);

interface Program {
  /** Whether the other side answers when it is asked whether it is there. */
  readonly isThere: boolean;
  readonly silentMs: number;
}

/** Runs a program that is silent at first, and then prints a word. */
async function run({ isThere, silentMs }: Program) {
  let pings = 0;
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: isThere });
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on('connection', (client) => {
    client.on('ping', () => {
      pings++;
    });
    // It works without a word.
    setTimeout(() => {
      client.send(Buffer.concat([Buffer.of(STDOUT), Buffer.from('done')]));
      client.send(SUCCESS);
      client.close(1000);
    }, silentMs);
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const connection: Socket = connect(port, '127.0.0.1');
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { createConnection: () => connection });
  const heartbeat = { everyMs: 20, goneAfterMs: 500 };
  const answer = await execSocket(socket, connection, heartbeat).ask(null, OPTIONS);
  return { answer, pings };
}

it('a silent program is waited for while its side answers', async () => {
  const { answer, pings } = await run({ isThere: true, silentMs: 1_500 });
  expect(answer).toMatchObject({ code: 0, stdout: Buffer.from('done') });
  expect(pings).toBeGreaterThan(5);
});

it('a connection that has ended unnoticed is a cut one', async () => {
  const { answer } = await run({ isThere: false, silentMs: 15_000 });
  expect(answer).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
});
