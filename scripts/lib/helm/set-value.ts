/** Helm command lines for a worker's release, for the operator to paste. */
import { shellLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';

/** The worker's release name, as far as its entry says. */
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
 * @param assignment for `--set`, several separated by commas; placeholders for the operator are in capitals
 * @returns a line to paste in the folder of this project; it keeps the release's other values
 */
export function setValueCommand(worker: ClusterWorker, assignment: string): string {
  const upgrade = ['helm', 'upgrade', releaseName(worker), 'charts/factory-worker', ...place(worker)];
  return shellLine([...upgrade, '--reset-then-reuse-values', '--set', assignment]);
}

/** What to type for fields that were changed by hand, and that Helm 4 would refuse to change. */
export function takeBackHints(worker: ClusterWorker): string[] {
  const upgrade = ['helm', 'upgrade', releaseName(worker), 'charts/factory-worker', ...place(worker)];
  const take = shellLine([...upgrade, '--reset-then-reuse-values', '--force-conflicts']);
  return [
    `give those fields back to the release, which may restart the worker: ${take}`,
    'to keep the change, set it in the release with the same command: --set VALUE',
  ];
}
