/** Phase `tmux`: the server, with a session that shows the boot: from here on there is something to attach to. */

import type { Sessions } from '../../sessions/sessions.ts';
import type { Phase } from '../run.ts';

/** @param prepare what has to be there before the first session is */
export function tmuxPhase(sessions: Sessions, prepare: () => void): Phase {
  return {
    name: 'tmux',
    after: ['checks'],
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
