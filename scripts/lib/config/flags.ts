/** The flags that tell a command where its workers are: with kubectl's names and meanings where kubectl has the flag. */
import type { Flags } from '../cli/flags.ts';

/** Commands that use no cluster. */
const exceptInto = ['local', 'shell-init'];

export const WORKER_FLAGS = {
  workers: {
    type: 'string',
    sticky: { exceptInto: ['shell-init'] },
    value: 'FILE',
    description: 'the file that names the workers; else $FACTORY_WORKERS, else ~/.factory/workers.yaml',
  },
  context: {
    type: 'string',
    sticky: { exceptInto },
    value: 'NAME',
    description: "kubectl context instead of the worker's own",
  },
  namespace: {
    type: 'string',
    sticky: { exceptInto },
    short: 'n',
    value: 'NAME',
    description: "namespace instead of the worker's own",
  },
  kubeconfig: {
    type: 'string',
    sticky: { exceptInto },
    value: 'FILE',
    description: 'kubeconfig file instead of the one kubectl finds',
  },
  timeout: {
    type: 'string',
    value: 'DURATION',
    default: '30s',
    description: 'how long one worker may take to answer',
  },
} as const satisfies Flags;

/** Values of {@link WORKER_FLAGS}. */
export interface WorkerFlagValues {
  readonly workers: string | undefined;
  readonly context: string | undefined;
  readonly namespace: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly timeout: string;
}
