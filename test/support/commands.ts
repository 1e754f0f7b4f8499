/** The commands, for tests that hold of every one of them. */
import { COMMANDS } from '../../scripts/commands.ts';

/** By name, with the one that only the shells type. */
export const ALL_COMMANDS: typeof COMMANDS = {
  ...COMMANDS,
  complete: { load: async () => (await import('../../scripts/complete.ts')).complete },
};
