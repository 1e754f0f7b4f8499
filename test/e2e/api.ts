/**
 * What is asked of the API server again and again, without a kubectl for each question: to start one takes more processor
 * than the answer, and processor is what a run of all tests is short of. One `kubectl proxy` for each process answers, at
 * the address and with the credentials that kubectl has.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONTEXT, KUBECONFIG, KUBECTL } from './cluster.ts';

/**
 * Reads an object or a list.
 *
 * @param path as the API server has it: `/api/v1/namespaces/…`
 * @throws Error in the API server's words, or when there is no answer within ten seconds
 */
export async function read<T>(path: string): Promise<T> {
  const socketPath = await proxy();
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, signal: AbortSignal.timeout(10_000) }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.once('error', reject);
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve(JSON.parse(text) as T);
        else reject(new Error(`GET ${path}: ${messageOf(text)}`));
      });
    });
    asked.once('error', reject).end();
  });
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message: string }).message;
  } catch {
    return text;
  }
}

/** The socket of the proxy, once it listens. Not a port: another user of this machine must not read the cluster by it. */
let listening: Promise<string> | undefined;

function proxy(): Promise<string> {
  listening ??= startProxy();
  return listening;
}

function startProxy(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'e2e-api-'));
  const socket = join(folder, 'socket');
  const kubectl = [KUBECTL, `--kubeconfig=${KUBECONFIG}`, `--context=${CONTEXT}`];
  // It ends with us, however we end: our end of the pipe is closed then.
  const program = fileURLToPath(new URL('while-open.sh', import.meta.url));
  const words = [folder, ...kubectl, 'proxy', `--unix-socket=${socket}`];
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  return new Promise((resolve, reject) => {
    child.stdout.once('data', () => {
      // Neither keeps a process alive that has nothing else to do.
      child.unref();
      for (const stream of [child.stdin, child.stdout] as { unref?: () => void }[]) stream.unref?.();
      resolve(socket);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error('kubectl proxy has ended')));
  });
}
