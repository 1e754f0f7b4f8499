/** Keeps a port forwarded: kubectl port-forward, again and again, to whichever pod the worker has. */

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

/** kubectl notices that its pod has gone only when the next connection comes; so the pod is looked at. */
const LOOK_MS = 3_000;
/** Pauses before the tries to come back; the last one is repeated. */
const PAUSES_MS = [500, 1_000, 2_000, 5_000];
/** A forward that lasted so long was one; what is lost after that is a new loss. */
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
 * @param address on which this machine listens
 * @param onForwarded hears of it each time the port is there, also after a lost connection
 * @throws InterruptedError at Ctrl-C; CliError when it cannot listen, or when coming back makes no sense
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
      // The port that was free the first time is what the operator has typed into the browser.
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

/** Runs kubectl until it ends by itself, or the worker has another pod or container. */
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
        // A control plane that does not answer for a while ends no stream.
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
    throw new CliError(`this machine cannot listen on port ${local}: something else does, or it may not`, {
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
