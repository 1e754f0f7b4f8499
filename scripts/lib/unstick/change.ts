/** Runs a script that changes something in a worker. */
import { CliError } from '../cli/errors.ts';
import type { Frame } from '../transport/frame.ts';
import { type RemoteCall, type Transport, TransportError } from '../transport/transport.ts';

/**
 * @param look the command line that shows the result
 * @throws CliError when the connection is lost: says that the result is unknown, and that running it again is safe
 */
export async function runChange(transport: Transport, call: RemoteCall, look: string): Promise<Frame> {
  try {
    return await transport.run(call);
  } catch (error) {
    if (!(error instanceof TransportError) || !error.mayHaveHappened) throw error;
    throw new CliError(`${error.message}; it is not known whether everything was done`, {
      exitCode: error.exitCode,
      hints: [`look: ${look}`, 'running it again does only what is still to be done', ...error.hints],
    });
  }
}
