/** Enters a local worker: runs the same scripts in the worker's own environment. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../cli/command.ts';
import { InterruptedError } from '../cli/errors.ts';
import type { LocalWorker } from '../config/worker-entry.ts';
import { ContractError } from '../contract.ts';
import { type Argv, type Exec, LIMITS } from '../exec.ts';
import { readContract } from '../read-contract.ts';
import { newNonce, parseFrame } from './frame.ts';
import { GRACE_MS, scriptArgv } from './scripts.ts';
import { floodError, type Transport, TransportError } from './transport.ts';

/**
 * @throws TransportError `missing` when there is no worker in that folder, or one that another version created
 */
export function localTransport(
  worker: LocalWorker,
  exec: Exec,
  commandLine: Context['commandLine'],
): Transport {
  const env = readEnvironment(worker, commandLine);
  return {
    async run(call) {
      const nonce = newNonce();
      const result = await exec.run(scriptArgv(call, nonce), {
        env,
        cwd: worker.home,
        timeoutMs: call.timeoutMs + GRACE_MS,
        signal: call.signal,
        maxBytes: LIMITS.frameBytes,
      });
      if (result.overflowedAt !== undefined) throw floodError(worker.name, result.overflowedAt, call.script);
      const frame = parseFrame(result.stdout, nonce);
      if (result.aborted) throw InterruptedError.by(call.signal);
      if (result.timedOut || result.code === 124 || frame?.rc === 124) {
        throw new TransportError('timeout', `${worker.name} did not answer within ${call.timeoutMs / 1000}s`);
      }
      if (frame === null) {
        const cause = result.stderr.trim() || `the script ended with ${result.code}`;
        throw new TransportError('broken', `${worker.name} gave no whole answer: ${cause}`);
      }
      return frame;
    },
    terminal(argv: Argv) {
      return { argv, env: { ...env, ...(process.env['TERM'] ? { TERM: process.env['TERM'] } : {}) } };
    },
  };
}

function readEnvironment(worker: LocalWorker, commandLine: Context['commandLine']): Record<string, string> {
  const file = join(worker.home, 'worker.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new TransportError('missing', `there is no worker in ${worker.home}`, {
      hints: [`create it: ${commandLine('local', 'up', worker.name)}`],
    });
  }
  try {
    return { ...readContract('localWorker', file, text).env };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    throw new TransportError('missing', error.message, {
      hints: [`create it again: ${commandLine('local', 'up', worker.name)}`],
    });
  }
}
