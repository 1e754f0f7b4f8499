/** Why a pod did not come up, in its own last words: for the paragraph a failed release ends with. */
import { oneLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type EventObject, timeOf } from '../health/cluster.ts';
import { maskTokens } from '../tokens.ts';
import { type Cluster, kubectl } from '../transport/kubectl.ts';
import { getJson } from '../transport/objects.ts';
import { currentPod, readPods } from '../worker/workload.ts';

const EVENTS_SHOWN = 3;
const LINES_SHOWN = 8;

/**
 * The last events and log lines of the worker's pod.
 *
 * @returns a sentence or two; empty when nothing could be asked
 */
export async function podEvidence(
  cluster: Cluster,
  worker: ClusterWorker,
  container: string,
): Promise<string> {
  try {
    const pod = currentPod(await readPods(cluster, worker), worker)?.metadata.name;
    if (pod === undefined) return '';
    const [events, log] = await Promise.all([
      getJson<{ items: EventObject[] }>(cluster, worker, [
        'events',
        `--field-selector=involvedObject.name=${pod}`,
      ]),
      lastLines(cluster, worker, pod, container),
    ]);
    const said = describeEvents(events.items);
    return [said && `Events of ${pod}: ${said}.`, log && `Its last lines: ${log}.`].filter(Boolean).join(' ');
  } catch {
    // What led here must be told, even where nothing can be added to it.
    return '';
  }
}

/** Warnings before the rest, each once, the newest last. */
export function describeEvents(events: readonly EventObject[]): string {
  const sorted = [...events].sort((a, b) => timeOf(a).localeCompare(timeOf(b)));
  const warnings = sorted.filter(({ type }) => type === 'Warning');
  const chosen = warnings.length > 0 ? warnings : sorted;
  const texts = chosen.map(({ reason, message }) => oneLine(`${reason}: ${message ?? ''}`).trim());
  return [...new Set(texts)].slice(-EVENTS_SHOWN).join('; ');
}

async function lastLines(
  cluster: Cluster,
  worker: ClusterWorker,
  pod: string,
  container: string,
): Promise<string> {
  for (const previous of [['--previous'], []]) {
    const result = await kubectl(cluster, worker, [
      'logs',
      pod,
      `--container=${container}`,
      `--tail=${LINES_SHOWN}`,
      ...previous,
    ]);
    const text = maskTokens(result.stdout.toString('utf8')).trim();
    if (result.code === 0 && text !== '') return text.split('\n').map(oneLine).join(' | ');
  }
  return '';
}
