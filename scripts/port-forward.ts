/** `port-forward`: makes a port of a worker, such as one of a compose stack, available on this machine. */
import { type Context, defineCommand } from './lib/cli/command.ts';
import { ExitCode } from './lib/cli/errors.ts';
import { renderJson, renderJsonLine, renderTable } from './lib/cli/output.ts';
import { OUTPUT_FLAGS, outputFormat, TABLE_FLAGS } from './lib/cli/output-flags.ts';
import { runIfMain } from './lib/cli/run.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { keepForwarding } from './lib/forward/forward.ts';
import { describeListeners, type Listener, parseListeners, parsePorts } from './lib/forward/ports.ts';
import { BY_KUBECTL, findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

const FORMATS = ['table', 'json'] as const;

export const portForward = defineCommand({
  name: 'port-forward',
  summary: SUMMARIES['port-forward'],
  description: `PORT is published by a container of the worker, or used by a program in it; LOCAL:PORT uses another port on this machine,
:PORT a free one. Without PORT, lists the ports. After a lost connection, or when the pod was replaced, it reconnects with the
same local port; Ctrl-C ends it. With -o json it prints a line on stdout each time it is connected.`,
  positionals: [WORKER, { name: 'PORT', required: false }],
  flags: {
    address: {
      type: 'string',
      value: 'ADDRESS',
      default: 'localhost',
      description: 'local address to listen on',
    },
    'dry-run': { type: 'boolean', description: 'show what would be forwarded, forward nothing' },
    ...OUTPUT_FLAGS(FORMATS),
    ...TABLE_FLAGS,
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'list its ports'],
    ['worker-1 3000', 'http://localhost:3000 is port 3000 of its stack'],
    ['worker-1 15432:5432', 'its database, beside one of your own'],
  ],
  async run({ flags, positionals: [name = '', port] }, context) {
    const { stdout, stderr, signal } = context;
    const json = outputFormat(flags, FORMATS) === 'json';
    const ports = port === undefined ? null : parsePorts(port);
    const { worker, timeoutMs, enter } = await findWorker(context, flags, name, BY_KUBECTL);
    const { transport } = await enter();
    const listeners = parseListeners(
      await transport.run({ script: 'port-forward-look', args: [], timeoutMs, signal }),
    );
    if (ports === null) {
      if (json) stdout.write(renderJson(listeners));
      else showListeners(listeners, name, flags['no-headers'], context);
      return ExitCode.ok;
    }
    const there = listeners.find((listener) => listener.port === ports.remote);
    if (worker.runtime === 'local') {
      stderr.write(
        `there is nothing to forward: ${name} is on this machine, and so is its port: localhost:${ports.remote}${there ? '' : ' (nothing listens there now)'}\n`,
      );
      return ExitCode.ok;
    }
    stderr.write(`${name} (context ${worker.context}, namespace ${worker.namespace})\n`);
    if (there === undefined) {
      const others = describeListeners(listeners);
      stderr.write(
        `nothing listens on port ${ports.remote} in ${name} yet${others === '' ? '' : `; there are ${others}`}\n`,
      );
    }
    if (flags['dry-run']) {
      const container = there?.container ?? null;
      const local = ports.local === 0 ? 'a free port' : ports.local;
      const plan = { worker: name, address: flags.address, ...ports, container, dryRun: true };
      const whose = container === null ? '' : ` (${container})`;
      const text = `${flags.address}:${local} → ${name}:${ports.remote}${whose}\n`;
      stdout.write(json ? renderJson(plan) : text);
      return ExitCode.ok;
    }
    return keepForwarding(context, worker, ports, flags.address, timeoutMs, (now) => {
      if (json) stdout.write(renderJsonLine({ worker: name, ...now }));
    });
  },
});

function showListeners(
  listeners: readonly Listener[],
  worker: string,
  noHeaders: boolean,
  { stdout, stderr }: Context,
): void {
  if (listeners.length === 0) {
    stderr.write(`nothing listens in ${worker}\n`);
    return;
  }
  stdout.write(renderTable(listeners, COLUMNS, { headers: !noHeaders }));
}

const COLUMNS = [
  { header: 'PORT', value: ({ port }: Listener) => String(port) },
  { header: 'CONTAINER', value: ({ container }: Listener) => container ?? '-' },
];

await runIfMain(import.meta.url, portForward);
