/** The command line by which an operator changes a value of a worker's release. */
import { shellQuote } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';

/** What `helm` calls the worker, as far as its entry tells. */
const releaseName = ({ pod, name }: ClusterWorker) => (pod === `factory-${name}` ? name : pod);

/**
 * @param assignment as `--set` takes it, several with commas between; what the operator has to fill in stands in capitals
 * @returns a line to paste in the folder of this project; the release's other values stay
 */
export function setValueCommand(worker: ClusterWorker, assignment: string): string {
  const { context, namespace, kubeconfig } = worker;
  const config = kubeconfig === undefined ? '' : ` --kubeconfig ${shellQuote(kubeconfig)}`;
  return `helm upgrade ${releaseName(worker)} charts/factory-worker${config} --kube-context ${context} -n ${namespace} --reset-then-reuse-values --set ${shellQuote(assignment)}`;
}
