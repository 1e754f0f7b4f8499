/**
 * JSON Schemas for the parts of kubectl's and Helm's output that we read. Kubernetes kinds need no separate schemas: a field
 * that several kinds have is the same in all of them (Kubernetes API conventions).
 *
 * Fields that are not named here pass unchanged: a Secret is written back whole.
 */
const text = { type: 'string' } as const;
/** No name of an object that we read is longer (Kubernetes: DNS subdomain names). */
const name = { type: 'string', maxLength: 253 } as const;
/** Kubernetes writes null for an unset time. */
const time = { type: ['string', 'null'] } as const;
const number = { type: 'number' } as const;
const flag = { type: 'boolean' } as const;
const texts = { type: 'array', items: text } as const;
/** A shared shape, so that its code is in the bundle only once: every command loads it. */
const shared = (name: string) => ({ $ref: name });
const textMap = shared('text-map');
const quantities = shared('quantities');

const object = (properties: object, ...required: string[]) => ({ type: 'object', properties, required });
const list = (items: object) => ({ type: 'array', items });
const orNull = <T extends { readonly type: string }>(schema: T) => ({
  ...schema,
  type: [schema.type, 'null'],
});

/** Shared shapes by name. */
export const SHARED_SHAPES = {
  'text-map': { type: 'object', additionalProperties: text },
  /** Strings from the API server; a manifest may have numbers from values.yaml, such as `cpu: 2`. */
  quantities: { type: 'object', additionalProperties: { type: ['string', 'number'] } },
  containers: list(
    object({
      name: text,
      image: text,
      securityContext: object({ privileged: flag }),
      resources: shared('resources'),
    }),
  ),
  resources: object({ requests: quantities, limits: quantities }),
  volumes: list(
    object({
      name: text,
      secret: object({ secretName: text }),
      persistentVolumeClaim: object({ claimName: text }),
    }),
  ),
  'container-state': object({
    waiting: object({ reason: text, message: text }),
    running: object({ startedAt: time }),
    terminated: object({ reason: text, message: text, exitCode: number }),
  }),
};

const metadata = object({
  name,
  namespace: name,
  uid: text,
  resourceVersion: text,
  generation: number,
  creationTimestamp: time,
  deletionTimestamp: text,
  labels: textMap,
  annotations: textMap,
  ownerReferences: list(object({ kind: text, name: text })),
  managedFields: list(object({ manager: text, operation: text })),
});

const containers = shared('containers');
const volumes = shared('volumes');
const containerState = shared('container-state');

const tolerations = list(
  object({ key: text, operator: text, value: text, effect: text, tolerationSeconds: number }),
);
const requirements = list(object({ key: text, operator: text, values: texts }, 'key', 'operator'));

const spec = object({
  nodeName: name,
  tolerations,
  containers,
  volumes,
  replicas: number,
  template: object({
    metadata: object({ annotations: textMap, labels: textMap }),
    spec: object(
      {
        containers,
        volumes,
        imagePullSecrets: list(object({ name: text }, 'name')),
        tolerations,
        nodeSelector: textMap,
      },
      'containers',
    ),
  }),
  volumeName: text,
  storageClassName: text,
  accessModes: texts,
  resources: shared('resources'),
  paused: flag,
  persistentVolumeReclaimPolicy: text,
  unschedulable: flag,
  taints: list(object({ key: text, value: text, effect: text }, 'key')),
  nodeAffinity: object({
    required: object(
      { nodeSelectorTerms: list(object({ matchExpressions: requirements, matchFields: requirements })) },
      'nodeSelectorTerms',
    ),
  }),
});

const resourceAttributes = object({ verb: text, group: text, resource: text, subresource: text });

const containerStatuses = list(
  object({
    name: text,
    restartCount: number,
    state: containerState,
    lastState: containerState,
    resources: shared('resources'),
  }),
);

const status = object({
  phase: text,
  reason: text,
  message: text,
  conditions: list(object({ type: text, status: text, reason: text, message: text }, 'type', 'status')),
  containerStatuses,
  initContainerStatuses: containerStatuses,
  observedGeneration: number,
  capacity: quantities,
  allocatable: quantities,
  nodeInfo: object({ architecture: text }),
});

const kubernetes = {
  kind: text,
  type: text,
  reason: text,
  message: text,
  metadata,
  spec,
  status,
  data: textMap,
  provisioner: text,
  volumeBindingMode: text,
  reclaimPolicy: text,
  allowVolumeExpansion: flag,
  lastTimestamp: time,
  eventTime: time,
  count: number,
  involvedObject: object({ kind: text, name: text }),
};

const revision = { revision: number, status: text, updated: text, chart: text, description: text };

/** By reference, so that its code is in the bundle only once: every command loads it. */
const anyObject = { $ref: 'object' } as const;

/** Schemas by the kind of answer. */
export const ANSWER_SCHEMAS = {
  /** `kubectl get KIND NAME` */
  object: object(kubernetes, 'metadata'),
  /** `kubectl get KIND` */
  list: object({ metadata, items: list(anyObject) }, 'items'),
  /** A line of a watch. */
  'watch-event': object({ type: text, object: object({}) }, 'type', 'object'),
  /** A Status: why a request failed, or how a program in a pod ended. */
  status: object(
    {
      status: text,
      message: text,
      reason: text,
      details: object({ causes: list(object({ reason: text, message: text })) }),
    },
    'status',
  ),
  /** A Deployment or StatefulSet. */
  workload: {
    allOf: [
      anyObject,
      object(
        { metadata: object({}, 'name'), spec: object({ template: object({}, 'spec') }, 'template') },
        'spec',
      ),
    ],
  },
  /** A SelfSubjectAccessReview. */
  review: object(
    {
      spec: object({ resourceAttributes }, 'resourceAttributes'),
      status: object({ allowed: flag, reason: text }, 'allowed'),
    },
    'spec',
    'status',
  ),
  /** `kubectl version` */
  versions: object({
    clientVersion: object({ gitVersion: text }),
    serverVersion: object({ gitVersion: text }),
  }),
  /** `kubectl config view` */
  kubeconfig: object({
    users: orNull(
      list(
        object({
          user: object({
            exec: object({ command: text, installHint: text }),
            'auth-provider': object({ name: text }),
          }),
        }),
      ),
    ),
  }),
  /** `helm status` */
  'helm-status': object(
    { version: number, info: object({ status: text, last_deployed: text, description: text }, 'status') },
    'version',
    'info',
  ),
  /** `helm history` */
  'helm-history': list(object(revision)),
  /** `helm upgrade --dry-run` */
  'helm-render': object({ manifest: text }, 'manifest'),
  /** `helm get values` */
  'helm-values': orNull(object({})),
};

export type AnswerName = keyof typeof ANSWER_SCHEMAS;
