/**
 * Which fields of a workload someone else has taken from Helm. Helm 4 applies server-side, and an upgrade that sets such a field
 * to another value is refused with a conflict, after the worker was drained for it (seen with Helm 4.1 and Kubernetes 1.34 and
 * 1.37). Pure.
 */

/** An entry of `metadata.managedFields` (kubernetes.io/docs/reference/using-api/server-side-apply). */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly fieldsV1?: unknown;
}

export interface TakenField {
  /** `replicas`, `image`, `resources` */
  readonly field: string;
  /** The program that set it: `kubectl`, `kubectl-set`, `kubectl-edit`. */
  readonly manager: string;
}

/** The fields of the chart that operators change by hand. */
const WATCHED = ['replicas', 'image', 'resources'] as const;

/**
 * @param entries of the workload; empty when they were not asked for
 * @param container the worker's; Helm knows nothing of one that someone has put beside it
 */
export function takenFromHelm(
  entries: readonly ManagedFields[] | undefined,
  container: string,
): TakenField[] {
  const isHelm = ({ manager = '' }: ManagedFields) => manager.startsWith('helm');
  // A release that Helm 3 installed stays client-side: there are no conflicts then.
  if (!entries?.some((entry) => isHelm(entry) && entry.operation === 'Apply')) return [];
  return entries
    .filter((entry) => !isHelm(entry))
    .flatMap(({ manager = 'another program', fieldsV1 }) => {
      const spec = below(fieldsV1, 'f:spec');
      const set = new Set([
        ...keysOf(spec),
        ...keysOf(below(spec, 'f:template', 'f:spec', 'f:containers', keyOf(container))),
      ]);
      return WATCHED.filter((field) => set.has(`f:${field}`)).map((field) => ({ field, manager }));
    });
}

type Tree = Readonly<Record<string, unknown>>;

const treeOf = (value: unknown): Tree => (typeof value === 'object' && value !== null ? (value as Tree) : {});
/** How an element of a list is named there. */
const keyOf = (name: string) => `k:${JSON.stringify({ name })}`;
const keysOf = (value: unknown): string[] => Object.keys(treeOf(value));
const below = (value: unknown, ...path: string[]): Tree =>
  path.reduce((tree, key) => treeOf(tree[key]), treeOf(value));

/** `replicas (set by kubectl)`. */
export function takenText(taken: readonly TakenField[]): string {
  return taken.map(({ field, manager }) => `${field} (set by ${manager})`).join(', ');
}
