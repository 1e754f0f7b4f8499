/** The flags that tell a command where its workers are: with kubectl's names and meanings where kubectl has the flag. */
import type { Flags } from '../cli/flags.ts';

/** Commands that use no cluster. */
const exceptInto = ['local', 'shell-init'];

export const WORKER_FLAGS = {
  workers: {
    type: 'string',
    global: true,
    sticky: { exceptInto: ['shell-init'] },
    value: 'FILE',
    description: 'the file that names the workers; else $FACTORY_WORKERS, else ~/.factory/workers.yaml',
  },
  context: {
    type: 'string',
    global: true,
    sticky: { exceptInto },
    value: 'NAME',
    description: "kubectl context instead of the worker's own",
  },
  namespace: {
    type: 'string',
    global: true,
    sticky: { exceptInto },
    short: 'n',
    value: 'NAME',
    description: "namespace instead of the worker's own",
  },
  kubeconfig: {
    type: 'string',
    global: true,
    sticky: { exceptInto },
    value: 'FILE',
    description: 'kubeconfig file instead of the one kubectl finds',
  },
  timeout: {
    type: 'string',
    global: true,
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

/** The flags that say where the workers are, for another command about the same ones. */
export function whereFlags(flags: Omit<WorkerFlagValues, 'timeout'>): string[] {
  const { workers, context, namespace, kubeconfig } = flags;
  return Object.entries({ workers, context, namespace, kubeconfig }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
}
