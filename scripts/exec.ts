/** `exec`: runs a program in a worker, in the worker's folder and environment. */
import { defineCommand } from './lib/cli/command.ts';
import { UsageError } from './lib/cli/errors.ts';
import { runIfMain } from './lib/cli/run.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { newNonce } from './lib/transport/frame.ts';
import { plainScript } from './lib/transport/scripts.ts';
import { createTrailer, type Trailer } from './lib/transport/trailer.ts';
import { TransportError } from './lib/transport/transport.ts';
import { parseProject } from './lib/worker/arguments.ts';
import { BY_KUBECTL, findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

export const exec = defineCommand({
  name: 'exec',
  summary: SUMMARIES.exec,
  description: `The program gets a terminal when there is one here; otherwise stdin is passed to it. Exits with the program's exit code,
or with 1 and a message when the connection broke before its end.`,
  positionals: [WORKER],
  rest: 'COMMAND…',
  restAfter: 1,
  flags: {
    project: { type: 'string', short: 'p', value: 'NAME', description: "run it in this project's clone" },
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1 -- factory queue list', 'what factory itself says'],
    ['worker-1 --project deathcookies -- git log -3', "in the project's clone"],
    ['worker-1 bash', 'a shell'],
    ['worker-1 -- tar -c -C /root/.factory pipelines > pipelines.tar', 'a file out of the worker'],
  ],
  async run({ flags, positionals: [name = ''], rest }, context) {
    const [program, ...args] = rest;
    if (program === undefined) {
      throw new UsageError(
        'COMMAND is missing',
        `a shell: ${context.commandLine('exec', name, '--', 'bash')}`,
      );
    }
    const project = flags.project === undefined ? '' : parseProject(flags.project);
    const { worker, enter } = await findWorker(context, flags, name, BY_KUBECTL);
    const { transport } = await enter();
    const tty = context.stdin.isTTY === true && context.stdout.isTTY === true;
    // Only a connection can break, and on a terminal the operator sees it.
    const nonce = tty || worker.runtime === 'local' ? '' : newNonce();
    const { argv, ...how } = transport.terminal(plainScript('exec', [nonce, project, program, ...args]), tty);
    if (nonce === '') return context.exec.interactive(argv, { signal: context.signal, ...how });
    const trailer = createTrailer(nonce);
    const code = await context.exec.interactive(argv, { signal: context.signal, ...how, stderr: trailer });
    if (trailer.code !== null) return trailer.code;
    if (context.signal.aborted || isExplained(code, trailer)) return code;
    // The program's output may end in the middle of a line.
    if (/[^\n]$/.test(trailer.tail)) context.stderr.write('\n');
    throw new TransportError(
      'broken',
      `the connection to ${name} broke before the program had ended; what was printed may be incomplete`,
      {
        hints: [
          `it may go on in the worker; what runs there: ${context.commandLine('exec', name, '--', 'ps', '-ef')}`,
        ],
      },
    );
  },
});

/** Prefixes of kubectl's own errors, and of its message about a script that was killed before it could report its end. */
const KUBECTL_SAYS =
  /^(?:error: |Error from server|Unable to connect|The connection to the server |command terminated with exit code )/m;

/** Whether an end without a trailer needs no explanation: kubectl gave one, or a signal ended it, such as SIGPIPE. */
function isExplained(code: number, { tail }: Trailer): boolean {
  return code >= 128 || (code !== 0 && KUBECTL_SAYS.test(tail));
}

await runIfMain(import.meta.url, exec);
