/** `ui`: shows all workers on one live screen, and runs other commands on the selected one. */
import { defineCommand, type Load, loading } from './lib/cli/command.ts';
import { CliError, ExitCode, UsageError } from './lib/cli/errors.ts';
import { canDraw } from './lib/cli/full-screen.ts';
import { runIfMain } from './lib/cli/run.ts';
import { parseDuration } from './lib/config/duration.ts';
import { WORKER_FLAGS, whereFlags } from './lib/config/flags.ts';
import { chooseWorkers, loadWorkers } from './lib/config/workers-file.ts';
import { showDashboard } from './lib/ui/dashboard.ts';
import type { KeyCommand } from './lib/ui/model.ts';
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
      run: async (name, args) =>
        context.runSibling(await KEY_COMMANDS[name](), [...whereFlags(flags), ...args]),
    });
  },
});

const KEY_COMMANDS: Readonly<Record<KeyCommand, Load>> = {
  attach: loading(async () => (await import('./attach.ts')).attach),
  peek: loading(async () => (await import('./peek.ts')).peek),
  logs: loading(async () => (await import('./logs.ts')).logs),
  why: loading(async () => (await import('./why.ts')).why),
  unstick: loading(async () => (await import('./unstick.ts')).unstick),
  dispatch: loading(async () => (await import('./dispatch.ts')).dispatch),
  send: loading(async () => (await import('./send.ts')).send),
  drain: loading(async () => (await import('./drain.ts')).drain),
  resume: loading(async () => (await import('./resume.ts')).resume),
};

await runIfMain(import.meta.url, ui);
