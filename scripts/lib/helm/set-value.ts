/** Command lines of Helm for a worker's release, for an operator to paste. */
import { shellLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';

/** What `helm` calls the worker, as far as its entry tells. */
const releaseName = ({ pod, name }: ClusterWorker) => (pod === `factory-${name}` ? name : pod);

const place = ({ context, namespace, kubeconfig }: ClusterWorker) => [
  ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
  '--kube-context',
  context,
  '-n',
  namespace,
];

export function helmCommand(worker: ClusterWorker, ...words: string[]): string {
  return shellLine(['helm', ...words, ...place(worker)]);
}

/**
 * @param assignment as `--set` takes it, several with commas between; what the operator has to fill in stands in capitals
 * @returns a line to paste in the folder of this project; the release's other values stay
 */
export function setValueCommand(worker: ClusterWorker, assignment: string): string {
  const upgrade = ['helm', 'upgrade', releaseName(worker), 'charts/factory-worker', ...place(worker)];
  return shellLine([...upgrade, '--reset-then-reuse-values', '--set', assignment]);
}
