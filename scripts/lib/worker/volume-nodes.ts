/** Which nodes can mount a volume: those of its zone, or the one whose disk it is on. Pure. */

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect?: string;
}

/** The fields of a node that are read here, and by the rules about nodes. */
export interface NodeObject {
  readonly kind?: string;
  readonly metadata: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly unschedulable?: boolean;
    readonly taints?: readonly Taint[];
  };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

/** Alike in a volume and in the affinity of a pod: one term has to match, and of a term all requirements. */
export interface NodeSelector {
  readonly nodeSelectorTerms: readonly {
    readonly matchExpressions?: readonly Requirement[];
    readonly matchFields?: readonly Requirement[];
  }[];
}

/** A PersistentVolume. */
export interface VolumeObject {
  readonly metadata: { readonly name?: string };
  readonly spec?: { readonly nodeAffinity?: { readonly required?: NodeSelector } };
}

/** The nodes that can mount the volume, whatever state they are in. */
export function nodesFor(volume: VolumeObject, nodes: readonly NodeObject[]): readonly NodeObject[] {
  const terms = termsOf(volume);
  if (terms === null) return nodes;
  return nodes.filter(({ metadata: { name, labels = {} } }) =>
    terms.some(
      ({ expressions, fields }) =>
        expressions.length + fields.length > 0 &&
        expressions.every((requirement) => meets(labels[requirement.key], requirement)) &&
        // `metadata.name` is the only one that there is.
        fields.every((requirement) => meets(name, requirement)),
    ),
  );
}

/**
 * Why no pod with the volume can be scheduled, as far as its nodes tell.
 *
 * @param nodes all nodes; none when they are not known
 * @returns completes "its volume …"; null when one of its nodes takes pods, or every node can mount it
 */
export function unmountable(volume: VolumeObject, nodes: readonly NodeObject[]): string | null {
  if (nodes.length === 0 || termsOf(volume) === null) return null;
  const own = nodesFor(volume, nodes);
  return own.some((node) => troubleOf(node) === null) ? null : mountableText(volume, nodes);
}

/**
 * Where the volume can be mounted, and what keeps pods from there.
 *
 * @param nodes all nodes; none when they are not known
 * @returns completes "its volume …"
 */
export function mountableText(volume: VolumeObject, nodes: readonly NodeObject[]): string {
  const own = nodesFor(volume, nodes);
  const where = `can only be mounted on a node with ${affinityText(volume)}`;
  if (nodes.length === 0) return where;
  if (own.length === 0) return `${where}, and there is none`;
  const names = own.map((node) => {
    const trouble = troubleOf(node);
    return `${node.metadata.name}${trouble === null ? '' : ` (${trouble})`}`;
  });
  return `can only be mounted on ${names.join(', ')}`;
}

/** Whether the volume is on the disk of one node, and goes with it. */
export function isLocal(volume: VolumeObject): boolean {
  const keys = (termsOf(volume) ?? []).flatMap(({ expressions, fields }) => [...expressions, ...fields]);
  return keys.some(({ key }) => key === 'kubernetes.io/hostname' || key === 'metadata.name');
}

export const isCordoned = ({ spec }: NodeObject) => spec?.unschedulable === true;

function troubleOf(node: NodeObject): string | null {
  if (isCordoned(node)) return 'cordoned';
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True' ? null : 'not ready';
}

/** What a node has to have to mount the volume: `kubernetes.io/hostname node-1`; empty when every node can. */
export function affinityText(volume: VolumeObject): string {
  const text = ({ key, operator, values = [] }: Requirement) =>
    [key, ...(operator === 'In' ? [] : [operator]), values.join(' or ')].filter(Boolean).join(' ');
  const terms = (termsOf(volume) ?? []).map(({ expressions, fields }) =>
    [...expressions, ...fields].map(text).join(' and '),
  );
  return terms.join(', or ');
}

/** Null: every node can mount it. */
function termsOf({ spec }: VolumeObject) {
  const required = spec?.nodeAffinity?.required;
  if (required === undefined) return null;
  return required.nodeSelectorTerms.map(({ matchExpressions = [], matchFields = [] }) => ({
    expressions: matchExpressions,
    fields: matchFields,
  }));
}

function meets(value: string | undefined, { operator, values = [] }: Requirement): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      // Numbers (Gt, Lt), and what later versions may have: nothing is concluded from them.
      return true;
  }
}
