/** What `kubectl proxy` does, without its doors: passes a unix socket on to a port of this machine. For fake-kubectl.sh. */
import { connect, createServer } from 'node:net';

const [socket, port] = process.argv.slice(2);
const server = createServer((client) => {
  const api = connect(Number(port), '127.0.0.1');
  for (const [one, other] of [
    [client, api],
    [api, client],
  ]) {
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.listen(socket, () => process.stdout.write(`Starting to serve on ${socket}\n`));
