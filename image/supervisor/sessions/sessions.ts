/** The two tmux sessions that stay: `boot` shows the boot, `orchestrator` the check-ins. Both only follow a file. */
import { BOOT_SESSION, ORCHESTRATOR_SESSION } from '../../../scripts/lib/contract.ts';
import type { Effects } from '../effects/effects.ts';
import { follow } from '../effects/tmux.ts';
import type { Environment } from '../environment.ts';

/** The session in whose pane programs are looked for; it is there for a moment. */
export const TOOL_CHECK_SESSION = 'tool-check';

/** Sessions that only show files or are there for a moment: no agent works in them. */
export const OWN_SESSIONS: ReadonlySet<string> = new Set([
  BOOT_SESSION,
  ORCHESTRATOR_SESSION,
  TOOL_CHECK_SESSION,
]);

export interface Sessions {
  /** Starts the server with the boot session, where there is none. */
  startServer(): Promise<void>;
  startOrchestrator(): Promise<void>;
  /** Puts back what is missing: the server, the orchestrator session, its pane's program. */
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
        log.line('the tmux server is gone, and with it every session: starting it again');
        await start(BOOT_SESSION, paths.bootLog);
      }
      if (!orchestratorWanted) return;
      const pane = server?.panes.find(({ session }) => session === ORCHESTRATOR_SESSION);
      if (pane === undefined) {
        if (server !== null) log.line('the orchestrator session is gone: starting it again');
        await startOrchestrator();
      } else if (pane.dead) {
        // What its pane showed is in the file that it follows, so nothing is lost with the screen.
        await tmux.respawn(ORCHESTRATOR_SESSION, follow(paths.orchestratorLog));
      }
    },
  };
}
