/** The two permanent tmux sessions: `boot` shows the boot, `orchestrator` the check-ins. Both only follow a file. */
import { BOOT_SESSION, ORCHESTRATOR_SESSION } from '../../../scripts/lib/contract.ts';
import type { Effects } from '../effects/effects.ts';
import { follow } from '../effects/tmux.ts';
import type { Environment } from '../environment.ts';

/** The short-lived session that checks for programs in a pane. */
export const TOOL_CHECK_SESSION = 'tool-check';

/** Sessions of the supervisor itself: no agent works in them. */
export const OWN_SESSIONS: ReadonlySet<string> = new Set([
  BOOT_SESSION,
  ORCHESTRATOR_SESSION,
  TOOL_CHECK_SESSION,
]);

export interface Sessions {
  /** Starts the server with the boot session, unless it runs already. */
  startServer(): Promise<void>;
  startOrchestrator(): Promise<void>;
  /** Restores what is missing: the server, the orchestrator session, the program in its pane. */
  keep(): Promise<void>;
}

export function createSessions({ paths }: Environment, { files, log, tmux }: Effects): Sessions {
  let serverWanted = false;
  let orchestratorWanted = false;

  const start = async (name: string, file: string): Promise<void> => {
    if (await tmux.hasSession(name)) return;
    if (!files.exists(file)) files.append(file, '');
    await tmux.newSession(name, follow(file));
  };

  const startOrchestrator = async (): Promise<void> => {
    await start(ORCHESTRATOR_SESSION, paths.orchestratorLog);
    await tmux.remainOnExit(ORCHESTRATOR_SESSION);
    orchestratorWanted = true;
  };

  return {
    async startServer() {
      await start(BOOT_SESSION, paths.bootLog);
      serverWanted = true;
    },

    startOrchestrator,

    async keep() {
      if (!serverWanted) return;
      const server = await tmux.server();
      if (server === null) {
        log.line('the tmux server is gone, and with it every session: restarting it');
        await start(BOOT_SESSION, paths.bootLog);
      }
      if (!orchestratorWanted) return;
      const pane = server?.panes.find(({ session }) => session === ORCHESTRATOR_SESSION);
      if (pane === undefined) {
        if (server !== null) log.line('the orchestrator session is gone: restarting it');
        await startOrchestrator();
      } else if (pane.dead) {
        // The pane's output is in the file that it follows, so nothing is lost.
        await tmux.respawn(ORCHESTRATOR_SESSION, follow(paths.orchestratorLog));
      }
    },
  };
}
