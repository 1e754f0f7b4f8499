/** Waiting for the pod of a release. */

import { CliError, ExitCode } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import { podFacts } from '../transport/pods.ts';
import { readPods, readWorkload } from '../worker/workload.ts';
import { isLost, type Job } from './job.ts';
import { HOPELESS } from './prepull.ts';

const POLL_MS = 400;
/** A kubelet tries a failed pull again, and a container that ended once may have lost a race. */
const PULL_PATIENCE_MS = 30_000;
const RESTARTS_ALLOWED = 2;

/**
 * Waits until a pod other than the given one runs that image and is Ready.
 *
 * @throws CliError as soon as it is clear that it never will be, with Kubernetes' own reason
 */
export async function waitForPod(
  { target, options, around }: Job,
  image: string,
  otherThan: string | null,
): Promise<void> {
  const { worker, workload } = target;
  let until = Date.now() + options.readyMs;
  let failing: number | null = null;
  // Kubernetes' reasons go to and fro in their details; the first word is the news.
  const say = onlyNews(options.say, (text) => /^[\s\S]*?: \S+(?= )/.exec(text)?.[0] ?? text);
  for (; ; await pause(POLL_MS, around.context.signal)) {
    const pods = await readPods(around.cluster, worker).catch((error: unknown) => {
      if (isLost(error) && Date.now() < until) return null;
      throw error;
    });
    if (pods === null) {
      say('the cluster does not answer just now');
      continue;
    }
    const pod = pods.find(
      ({ metadata, spec }) =>
        metadata.deletionTimestamp === undefined &&
        metadata.uid !== otherThan &&
        spec?.containers?.find(({ name }) => name === workload.container)?.image === image,
    );
    let text = 'no new pod yet';
    if (pod !== undefined) {
      const facts = podFacts(pod, worker.container, around.context.now());
      if (facts.ready) return;
      text = `pod ${facts.name}: ${facts.reason || 'runs, not Ready yet'}`;
      if (facts.state === 'crash-looping' || facts.restarts >= RESTARTS_ALLOWED)
        throw new CliError(`pod ${facts.name} does not stay up: ${facts.reason || 'it was restarted'}`);
      failing = facts.state === 'image-pull' ? (failing ?? Date.now()) : null;
      if (failing !== null && (HOPELESS.test(facts.reason) || Date.now() - failing > PULL_PATIENCE_MS))
        throw new CliError(`pod ${facts.name} cannot pull its image: ${facts.reason}`);
    } else if (pods.length === 0) {
      const { failure } = await readWorkload(around.cluster, worker);
      if (failure !== null) text = `no pod can be made: ${failure}`;
    } else {
      text = 'the old pod is stopping';
      // Its stage may end first, for as long as its grace period allows; the new one's time begins afterwards.
      const gone = pods
        .map(({ metadata }) => Date.parse(metadata.deletionTimestamp ?? ''))
        .find((time) => time > Date.now());
      if (gone !== undefined) until = Math.max(until, Date.now() + options.readyMs);
    }
    say(text);
    if (Date.now() > until) {
      throw new CliError(`not Ready within ${options.readyMs / 1000}s: ${text}`, {
        exitCode: ExitCode.timeout,
      });
    }
  }
}
