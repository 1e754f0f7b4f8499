/** Keeps a port forwarded: restarts `kubectl port-forward` after a lost connection, to the worker's present pod. */

import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, InterruptedError } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { Argv, RunResult } from '../exec.ts';
import { base } from '../transport/kubectl.ts';
import { kubectlMessage } from '../transport/kubectl-errors.ts';
import type { PodFacts } from '../transport/pods.ts';
import { TransportError } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';
import { type Ports, portReader } from './ports.ts';

/** How often to check the pod: kubectl notices that it is gone only at the next connection. */
const LOOK_MS = 3_000;
/** Pauses before attempts to reconnect; the last one is repeated. */
const PAUSES_MS = [500, 1_000, 2_000, 5_000];
/** A forward that lasted this long was stable; losing it starts the pauses anew. */
const STABLE_MS = 10_000;

/** A port that is forwarded now. */
export interface Forwarded {
  readonly address: string;
  readonly port: number;
  readonly remote: number;
  readonly pod: string;
}

/**
 * Forwards until Ctrl-C.
 *
 * @param address the local address to listen on
 * @param onForwarded called each time the port is forwarded, also after a lost connection
 * @throws InterruptedError at Ctrl-C; CliError when it cannot listen, or reconnecting is pointless
 */
export async function keepForwarding(
  context: Context,
  worker: ClusterWorker,
  ports: Ports,
  address: string,
  timeoutMs: number,
  onForwarded: (now: Forwarded) => void,
): Promise<never> {
  const { stderr, signal, env } = context;
  const enter = async () => {
    const { pod } = await createReach(context, timeoutMs).enter(worker);
    if (pod === null) throw new CliError(`${worker.name} has no pod`);
    return pod;
  };
  let { local } = ports;
  const say = onlyNews((text) => {
    stderr.write(`${text}\n`);
  });
  let pod = await enter();
  for (let attempt = 0; ; attempt++) {
    const begun = performance.now();
    const argv: Argv = [
      ...base({ env }, worker),
      'port-forward',
      `--address=${address}`,
      `pod/${pod.name}`,
      `${local === 0 ? '' : local}:${ports.remote}`,
    ];
    const result = await whilePodIs(pod, context, worker, timeoutMs, argv, (actual) => {
      // Keep the port that was chosen the first time: the operator has typed it into the browser.
      local = actual;
      onForwarded({ address, port: actual, remote: ports.remote, pod: pod.name });
      say(`${address}:${actual} → ${worker.name}:${ports.remote} (pod ${pod.name}); Ctrl-C ends it`);
    });
    if (signal.aborted) throw InterruptedError.by(signal);
    refuseHopeless(result, ports, local, worker, context);
    if (performance.now() - begun > STABLE_MS) attempt = 0;
    say(whyEnded(result, worker, ports));
    pod = await reenter(enter, attempt, context, say);
  }
}

/** Runs kubectl until it ends, or until the worker has another pod or container. */
async function whilePodIs(
  pod: PodFacts,
  context: Context,
  worker: ClusterWorker,
  timeoutMs: number,
  argv: Argv,
  onForwarding: (port: number) => void,
): Promise<RunResult> {
  const over = new AbortController();
  const signal = AbortSignal.any([context.signal, over.signal]);
  const portIn = portReader();
  const running = context.exec.run(argv, {
    env: context.env,
    signal,
    onStdout(chunk) {
      const port = portIn(chunk.toString('utf8'));
      if (port !== null) onForwarding(port);
    },
  });
  const ended = running.finally(() => over.abort());
  while (!signal.aborted) {
    await pause(LOOK_MS, signal).catch(() => {});
    if (signal.aborted) break;
    const now = await createReach(context, timeoutMs)
      .enter(worker)
      .then(({ pod: found }) => found)
      .catch((error: unknown) => {
        if (!(error instanceof TransportError)) throw error;
        // Streams survive a control plane that does not answer for a while.
        return error.kind === 'not-running' ? null : pod;
      });
    if (now?.name !== pod.name || now.startedAt !== pod.startedAt) over.abort();
  }
  return ended;
}

function refuseHopeless(
  { code, stderr }: RunResult,
  { remote }: Ports,
  local: number,
  worker: ClusterWorker,
  { commandLine }: Context,
): void {
  if (code === ExitCode.missingProgram) {
    throw new CliError('kubectl is not installed, or not on PATH', { exitCode: ExitCode.missingProgram });
  }
  if (/unable to listen on (?:any of the requested ports|port)/.test(stderr)) {
    throw new CliError(`this machine cannot listen on port ${local}: it is in use, or not permitted`, {
      hints: [`one that is free: ${commandLine('port-forward', worker.name, `:${remote}`)}`],
    });
  }
  if (/cannot create resource "pods\/portforward"|cannot get resource "pods\/portforward"/.test(stderr)) {
    throw new TransportError('forbidden', `cannot forward to ${worker.name}: ${kubectlMessage(stderr)}`, {
      hints: [`ask for the verbs get and create on pods/portforward in namespace ${worker.namespace}`],
    });
  }
}

function whyEnded({ stderr }: RunResult, { name }: ClusterWorker, { remote }: Ports): string {
  return /connection refused/.test(stderr)
    ? `nothing answers on port ${remote} in ${name}; it stays forwarded`
    : `the connection to ${name} was lost; coming back (Ctrl-C ends)`;
}

async function reenter(
  enter: () => Promise<PodFacts>,
  first: number,
  { signal }: Context,
  say: (text: string) => void,
): Promise<PodFacts> {
  for (let attempt = first; ; attempt++) {
    await pause(PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)] ?? 0, signal);
    try {
      return await enter();
    } catch (error) {
      if (!(error instanceof TransportError) || error.kind === 'missing' || error.kind === 'program')
        throw error;
      say(`  ${error.message}`);
    }
  }
}
