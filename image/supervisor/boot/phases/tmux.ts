/** Phase `tmux`: the server, with a session that shows the boot; from here on the operator can attach. */
import type { Sessions } from '../../sessions/sessions.ts';
import type { Phase } from '../run.ts';

/** @param prepare called before the first session is created */
export function tmuxPhase(sessions: Sessions, prepare: () => void): Phase {
  return {
    name: 'tmux',
    // Panes inherit the server's environment, which has the URL of a PostgreSQL database.
    after: ['database'],
    timeoutMs: 20_000,
    gates: true,
    retryMs: 10_000,
    async run() {
      prepare();
      await sessions.startServer();
      return { status: 'ok', message: '' };
    },
  };
}
