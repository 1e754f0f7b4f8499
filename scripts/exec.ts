/** `exec`: runs a program in a worker, in the right folder and environment. */
import { defineCommand, runIfMain } from './lib/cli/command.ts';
import { UsageError } from './lib/cli/errors.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { chooseWorker, loadWorkers } from './lib/config/workers-file.ts';
import { plainScript } from './lib/transport/scripts.ts';
import { parseProject } from './lib/worker/arguments.ts';
import { createReach } from './lib/worker/observe.ts';

export const exec = defineCommand({
  name: 'exec',
  summary: 'Run a program in a worker',
  description: `With a terminal in the worker when there is one here; otherwise stdin is passed on. The exit code is the program's.`,
  positionals: [{ name: 'WORKER', required: true }],
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
    const worker = chooseWorker(await loadWorkers(context.env, flags, context.commandLine), name);
    const { transport } = await createReach(context, parseDuration(flags.timeout, '--timeout')).enter(worker);
    const tty = context.stdin.isTTY === true && context.stdout.isTTY === true;
    const { argv, ...how } = transport.terminal(plainScript('exec', [project, program, ...args]), tty);
    return context.exec.interactive(argv, { signal: context.signal, ...how });
  },
});

await runIfMain(import.meta.url, exec);
