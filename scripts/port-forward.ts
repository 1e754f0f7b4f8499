/** `port-forward`: a port of a worker, such as that of a compose stack, on this machine. */
import { defineCommand, runIfMain } from './lib/cli/command.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import { keepForwarding } from './lib/forward/forward.ts';
import { describeListeners, parseListeners, parsePorts } from './lib/forward/ports.ts';
import { createReach } from './lib/worker/observe.ts';

export const portForward = defineCommand({
  name: 'port-forward',
  summary: 'Reach a port of a worker, such as one of its compose stacks, from this machine',
  description: `PORT is one that a container of the worker publishes, or a program in it listens on; LOCAL:PORT takes another one here,
:PORT a free one. After a lost connection, or when the pod was replaced, it comes back on the same local port; Ctrl-C ends it.`,
  positionals: [
    { name: 'WORKER', required: true },
    { name: 'PORT', required: true },
  ],
  flags: {
    address: {
      type: 'string',
      value: 'ADDRESS',
      default: 'localhost',
      description: 'where this machine listens',
    },
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1 3000', 'http://localhost:3000 is port 3000 of its stack'],
    ['worker-1 15432:5432', 'its database, beside one of your own'],
  ],
  async run({ flags, positionals: [name = '', port = ''] }, context) {
    const { env, stderr, signal, commandLine } = context;
    const ports = parsePorts(port);
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const worker = chooseWorker(await loadWorkers(env, flags, commandLine), name);
    const { transport } = await createReach(context, timeoutMs).enter(worker);
    const listeners = parseListeners(await transport.run({ script: 'ports', args: [], timeoutMs, signal }));
    const there = listeners.some((listener) => listener.port === ports.remote);
    if (worker.runtime === 'local') {
      stderr.write(
        `there is nothing to forward: ${name} is on this machine, and so is its port: localhost:${ports.remote}${there ? '' : ' (nothing listens there now)'}\n`,
      );
      return undefined;
    }
    stderr.write(`${name} (context ${worker.context}, namespace ${worker.namespace})\n`);
    if (!there) {
      const others = describeListeners(listeners);
      stderr.write(
        `nothing listens on port ${ports.remote} in ${name} yet${others === '' ? '' : `; there are ${others}`}\n`,
      );
    }
    return keepForwarding(context, worker, ports, flags.address, timeoutMs);
  },
});

await runIfMain(import.meta.url, portForward);
