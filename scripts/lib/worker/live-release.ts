/** Finds the live release of a worker: the kubectl query, and how to read its answer. */

import { CliError } from '../cli/errors.ts';
import { readAnswer } from '../transport/read-answer.ts';

/** What is known about a worker before asking the cluster. */
export interface Wanted {
  readonly name: string;
  readonly pod: string | undefined;
  readonly namespace: string | undefined;
}

export interface Release {
  readonly pod: string;
  readonly namespace: string;
}

const NAME_LABEL = 'app.kubernetes.io/name';
const INSTANCE_LABEL = 'app.kubernetes.io/instance';

interface DeploymentList {
  readonly items: readonly {
    readonly metadata: {
      readonly name: string;
      readonly namespace: string;
      readonly labels?: Readonly<Record<string, string>>;
    };
  }[];
}

/** The arguments of the kubectl call whose answer {@link chooseRelease} reads. */
export function releaseQuery({ pod, namespace }: Wanted): string[] {
  const scope = namespace === undefined ? '--all-namespaces' : `--namespace=${namespace}`;
  // In a whole cluster, ask only for ours; inside a namespace, a Deployment without our labels is found by its name.
  const ours = namespace === undefined ? [`--selector=${NAME_LABEL}=factory-worker`] : [];
  const selection = pod === undefined ? ours : [`--field-selector=metadata.name=${pod}`];
  return ['get', 'deployments', scope, ...selection, '--output=json'];
}

/**
 * Chooses the worker's Deployment: the one whose release has the worker's name, otherwise the one that has the name itself,
 * with or without `factory-`. If the pod is given, the one of that name.
 *
 * @param answer what kubectl printed
 * @param context for messages
 * @throws CliError when there is none, or more than one; says what was looked for, what exists, and which flags to give
 */
export function chooseRelease(answer: string, wanted: Wanted, context: string): Release {
  const { items } = readAnswer<DeploymentList>('list', wanted.name, answer);
  const all = items.map(({ metadata }) => ({
    pod: metadata.name,
    namespace: metadata.namespace,
    instance:
      metadata.labels?.[NAME_LABEL] === 'factory-worker' ? metadata.labels[INSTANCE_LABEL] : undefined,
  }));
  const byLabel = all.filter(({ instance }) => instance === wanted.name);
  const byName = all.filter(({ pod }) => pod === wanted.name || pod === `factory-${wanted.name}`);
  const found = wanted.pod !== undefined ? all : byLabel.length > 0 ? byLabel : byName;
  const [release] = found;
  const where = `${wanted.namespace === undefined ? 'any namespace' : `namespace ${wanted.namespace}`} of context ${context}`;
  if (release === undefined) {
    const others = all.filter(({ instance }) => instance !== undefined);
    throw new CliError(`no Deployment of ${described(wanted)} in ${where}`, {
      hints: [
        ...(others.length > 0
          ? [
              `releases there: ${others.map(({ instance, namespace }) => `${instance} (namespace ${namespace})`).join(', ')}`,
            ]
          : []),
        'give what you know: --pod NAME --namespace NAME --context NAME (with all three nothing is looked up)',
      ],
    });
  }
  if (found.length > 1) {
    throw new CliError(
      `${found.length} Deployments may be ${wanted.name}'s: ${found.map(({ pod, namespace }) => `${pod} (namespace ${namespace})`).join(', ')}`,
      {
        hints: ['say which: --namespace NAME --pod NAME'],
      },
    );
  }
  return { pod: release.pod, namespace: release.namespace };
}

function described({ name, pod }: Wanted): string {
  return pod === undefined
    ? `release ${name} (label ${INSTANCE_LABEL}=${name}, or called ${name} or factory-${name})`
    : `name ${pod}`;
}
