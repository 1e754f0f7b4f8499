/**
 * What claude leaves behind and never removes: records of usage that it could not send (about 200 KB for each start without
 * network), the record and the socket of each session that was killed, and an empty folder of each session among the
 * temporary files.
 */
import { join } from 'node:path';
import type { Argv, Effects } from '../effects/effects.ts';

const EVERY_MS = 60 * 60_000;
const TIMEOUT_MS = 60_000;
const OLDER_THAN_A_DAY = ['-mmin', '+1440'];

export interface AgentFolders {
  /** CLAUDE_CONFIG_DIR. */
  readonly claude: string;
  /** Where claude makes a folder for each session; null where others use it, too. */
  readonly temporary: string | null;
  /** Where claude makes a socket for each session; null where others use it, too. */
  readonly sockets: string | null;
}

/** @returns a function to be called every few seconds; it looks once an hour */
export function createAgentLeftovers(
  { clock, files, processes }: Pick<Effects, 'clock' | 'files' | 'processes'>,
  { claude, temporary, sockets }: AgentFolders,
): () => Promise<void> {
  let dueAt = 0;

  const find = async (folder: string | null, ...what: string[]): Promise<void> => {
    if (folder === null || !files.exists(folder)) return;
    const argv: Argv = ['find', folder, '-mindepth', '1', ...what, ...OLDER_THAN_A_DAY, '-delete'];
    await processes.run(argv, { timeoutMs: TIMEOUT_MS });
  };

  /** Files with the number of their process at the beginning. A number that is used again only keeps them longer. */
  const removeOfDead = async (folder: string | null): Promise<void> => {
    if (folder === null) return;
    for (const name of files.list(folder)) {
      const pid = /^(\d+)\./.exec(name)?.[1];
      if (pid !== undefined && !files.exists(`/proc/${pid}`)) await files.remove(join(folder, name));
    }
  };

  return async () => {
    if (clock.now() < dueAt) return;
    dueAt = clock.now() + EVERY_MS;
    // claude tries again to send them: an outage of less than a day loses nothing.
    await find(join(claude, 'telemetry'), '-type', 'f');
    await find(temporary, '-depth', '-type', 'd', '-empty');
    await removeOfDead(join(claude, 'sessions'));
    await removeOfDead(sockets);
  };
}
