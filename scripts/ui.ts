/** `ui`: shows all workers on one live screen, and runs other commands on the selected one. */
import { loaderOf } from './commands.ts';
import { defineCommand, runIfMain } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { canDraw } from './lib/cli/full-screen.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS, whereFlags } from './lib/config/flags.ts';
import { chooseWorkers, loadWorkers } from './lib/config/workers-file.ts';
import { showDashboard } from './lib/ui/dashboard.ts';
import { desktopNotify } from './lib/watching/notify.ts';
import { SUMMARIES } from './summaries.ts';

export const ui = defineCommand({
  name: 'ui',
  summary: SUMMARIES.ui,
  description: `Workers are in groups: NEEDS YOU (with the cause), AT WORK, IDLE. Below them is the session of the selected worker, live.
Keys: arrows select a worker (up, down) and a session (left, right), / filters, Enter attaches, r only looks, p peek, l logs,
w why, u unstick, d dispatch, s send, D drain or resume, ? help, q quits. Each key runs the command of that name, which asks
before it changes anything; after it, the dashboard comes back.`,
  positionals: [{ name: 'WORKER', required: false, repeat: true }],
  flags: {
    notify: {
      type: 'boolean',
      description: 'also show the events of watch on the desktop (notify-send, osascript)',
    },
    bell: { type: 'boolean', description: "ring the terminal's bell when a worker begins to need you" },
    interval: { type: 'string', value: 'DURATION', default: '3s', description: 'time between two looks' },
    ...WORKER_FLAGS,
  },
  examples: [
    ['', 'every worker of workers.yaml'],
    ['worker-1 worker-2 --notify', 'two of them, with notifications on the desktop'],
  ],
  async run({ flags, positionals }, context) {
    const timeoutMs = parseDuration(flags.timeout, '--timeout');
    const intervalMs = parseDuration(flags.interval, '--interval');
    if (context.stdin.isTTY !== true || !canDraw(context)) {
      throw new UsageError(
        'ui needs a terminal on stdin and stdout',
        `without one: ${context.commandLine('list')}`,
      );
    }
    const file = await loadWorkers(context.env, flags, context.commandLine);
    const workers = positionals.length > 0 ? chooseWorkers(file, positionals) : file.workers;
    if (workers.length === 0) {
      throw new CliError(`no workers in ${file.path}`, {
        exitCode: ExitCode.usage,
        hints: [`add one: ${context.commandLine('workers', 'add', 'NAME')}`],
      });
    }
    return showDashboard(context, workers, {
      timeoutMs,
      intervalMs,
      notify: flags.notify ? await desktopNotify(context) : null,
      bell: flags.bell,
      async run(name, args) {
        const command = await loaderOf(name)?.();
        if (command === undefined) throw new TypeError(`there is no command ${name}`);
        return context.runSibling(command, [...whereFlags(flags), ...args]);
      },
    });
  },
});

await runIfMain(import.meta.url, ui);
