/** `shell`: opens a login shell in a worker, on this terminal. */
import { defineCommand } from './lib/cli/command.ts';
import { UsageError } from './lib/cli/errors.ts';
import { runIfMain } from './lib/cli/run.ts';
import { WORKER_FLAGS } from './lib/config/flags.ts';
import { plainScript } from './lib/transport/scripts.ts';
import { parseProject } from './lib/worker/arguments.ts';
import { BY_KUBECTL, findWorker } from './lib/worker/observe.ts';
import { WORKER } from './lib/worker/positionals.ts';
import { SUMMARIES } from './summaries.ts';

/** kubectl's exit code when its connection, and not the shell, has ended. */
const LOST = 1;

export const shell = defineCommand({
  name: 'shell',
  summary: SUMMARIES.shell,
  description: `The same shell as in the worker's sessions, with the same PATH and home. But it is not a session: it ends with the connection,
and may leave its programs running. For longer work, start a tmux session in it. Exits with the shell's exit code.`,
  positionals: [WORKER],
  flags: {
    project: { type: 'string', short: 'p', value: 'NAME', description: "begin in this project's clone" },
    ...WORKER_FLAGS,
  },
  examples: [
    ['worker-1', 'in its home'],
    ['worker-1 --project deathcookies', "in the project's clone"],
  ],
  async run({ flags, positionals: [name = ''] }, context) {
    const { exec, signal, stdin, stdout, stderr, commandLine, env } = context;
    const project = flags.project === undefined ? '' : parseProject(flags.project);
    const { worker, enter } = await findWorker(context, flags, name, BY_KUBECTL);
    if (stdin.isTTY !== true || stdout.isTTY !== true) {
      throw new UsageError(
        'shell needs a terminal on stdin and stdout',
        `without one: ${commandLine('exec', name, '--', 'bash', '-c', 'COMMAND')}`,
      );
    }
    const { transport, pod } = await enter();
    const where = pod === null ? worker.name : `${worker.name} (pod ${pod.name})`;
    stderr.write(`shell in ${where}; exit or Ctrl-d leaves it\n`);
    const { argv, ...how } = transport.terminal(
      plainScript('shell', [project, env['TERM'] ?? '', worker.name]),
      true,
    );
    const code = await exec.interactive(argv, { signal, ...how });
    if (code === LOST && pod !== null) {
      stderr.write(
        `if the connection was lost: what ran in the shell may go on; sessions that stay are joined by ${commandLine('attach', name)}\n`,
      );
    }
    return code;
  },
});

await runIfMain(import.meta.url, shell);
