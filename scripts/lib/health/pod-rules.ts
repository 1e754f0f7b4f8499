/** Rules about the machine under the work: Docker, memory, disks of a pod, and what Kubernetes says of it. Pure. */
import { bytes, count, enumerate, shellLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { CgroupMemory } from '../worker/memory.ts';
import { type ClusterFacts, type EventObject, type NodeObject, unscheduledBecause } from './cluster.ts';
import { type Found, type Rule, whenEntered, whenInCluster, whenProbed, withValue } from './facts.ts';
import { judgeDisk } from './probe-rules.ts';

const MORE_MEMORY = 'resources.limits.memory=SIZE';

/** Docker is down, or keeps its layers where every one of them is copied. */
export const docker = whenProbed(({ docker: found, snapshot: { boot }, worker, command }) => {
  const phase = boot?.phases.find(({ name }) => name === 'docker');
  // A start that has not got to it.
  if (found === null || (phase === undefined && boot?.finishedAt === null)) return [];
  const { driver, below, error } = found;
  const logs = `its log: ${command('logs', worker.name, 'docker')}`;
  if (driver === null) {
    return [
      {
        id: 'docker-down',
        cause: 'Docker does not answer: compose stacks and builds fail; the supervisor keeps starting it',
        evidence: [
          `docker info: ${error}`,
          ...(phase === undefined ? [] : [`boot: docker ${phase.status}: ${phase.message}`]),
        ],
        next: [logs],
      },
    ];
  }
  // btrfs, zfs and the others share what layers have in common, each in its way.
  if (driver !== 'vfs' && below !== 'overlayfs') return [];
  return [
    {
      id: 'docker-driver',
      cause:
        driver === 'vfs'
          ? `Docker uses the storage driver ${driver}, which copies whole layers: it is slow and fills the disk`
          : `Docker's storage driver ${driver} lies on an overlay: every layer is copied whole, or not made at all`,
      evidence: [`docker info: Driver ${driver}`, ...(below === null ? [] : [`/var/lib/docker: ${below}`])],
      next: [
        withValue(
          '/var/lib/docker has to be a volume (docker.storage of the chart), not a part of the container',
          worker,
          'docker.storage.kind=ephemeral',
        ),
        logs,
      ],
    },
  ];
});

/** Packets that are larger than the pod's network takes are lost: pulls and TLS handshakes hang. */
export const mtu: Rule = ({ docker: found, worker }) => {
  const { podMtu = null, networks = [] } = found ?? {};
  if (podMtu === null) return [];
  const larger = networks.filter((network) => network.mtu > podMtu);
  if (larger.length === 0) return [];
  return [
    {
      id: 'mtu',
      cause: `packets of ${enumerate(larger.map(({ name }) => name))} are larger than the network of the pod takes: downloads and TLS in containers hang`,
      evidence: [`pod: ${podMtu}`, ...larger.map(({ name, mtu: size }) => `docker network ${name}: ${size}`)],
      next: [
        'networks that are older than the setting keep theirs: bring their stack down and up again',
        withValue('for all to come: docker.mtu of the chart', worker, `docker.mtu=${podMtu}`),
      ],
    },
  ];
};

/** Disks other than the state volume, about which another rule is. */
export const disks: Rule = ({ disks: found, worker, command }) =>
  (found ?? []).flatMap((disk) => {
    const verdict = judgeDisk(disk);
    if (verdict === null) return [];
    return [
      {
        id: 'disk',
        ...verdict,
        evidence: [`df: ${bytes(disk.freeBytes)} free of ${bytes(disk.sizeBytes)}`],
        next: [
          `by what: ${command('usage', worker.name)}`,
          `what could go: ${command('cleanup', worker.name, '--dry-run')}`,
        ],
      },
    ];
  });

/** The kernel has killed something inside the living pod; counts and the kernel's log say at whose limit, the log says whom. */
export const killedInside = whenEntered(({ inside, worker, command }) => {
  const usage = `what takes how much: ${command('usage', worker.name)}`;
  const look = (name: string, memory: CgroupMemory | null, ofDocker: boolean) => {
    const logged = inside.kills.filter(({ atDockersLimit }) => atDockersLimit === ofDocker);
    // In cgroup v1 the count is that of the victim's own cgroup, which goes with its container.
    const kills = Math.max(memory?.kills ?? 0, logged.length);
    const inUse =
      memory === null
        ? []
        : [
            `cgroup of ${name}: ${bytes(memory.usedBytes)} in use, ${memory.limitBytes === null ? 'no limit' : `limit ${bytes(memory.limitBytes)}`}`,
          ];
    return {
      kills: count(kills, 'kill'),
      any: kills > 0,
      evidence: [
        ...inUse,
        ...logged.map(({ program, pid }) => `the kernel: killed ${program} (pid ${pid} of the node)`),
      ],
    };
  };
  const containers = look('Docker', inside.memory.docker, true);
  const processes = look('the pod', inside.memory.pod, false);
  const found: Found[] = [];
  if (containers.any) {
    found.push({
      id: 'oom-container',
      cause: `a container was killed for memory, at the limit of all containers together (${containers.kills})`,
      evidence: containers.evidence,
      next: [
        usage,
        withValue('for all: resources.limits.memory of the release', worker, MORE_MEMORY),
        withValue('for containers: a smaller docker.memoryReserve', worker, 'docker.memoryReserve=SIZE'),
      ],
    });
  }
  if (processes.any) {
    found.push({
      id: 'oom-process',
      cause: `a process of the worker was killed for memory, at the limit of the pod (${processes.kills})`,
      evidence: processes.evidence,
      next: [usage, withValue('more of it: resources.limits.memory of the release', worker, MORE_MEMORY)],
    });
  }
  return found;
});

/** The end of what a container printed, which Kubernetes keeps as its message. */
function lastWords(message = ''): string[] {
  return message
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-3);
}

/** The exit code of a process that SIGKILL has ended. */
const SIGKILLED = 137;

/** The container itself ended: who was PID 1 then is gone, and with it every session. `now`: it does not run again yet. */
const endedContainer = (now: boolean) =>
  whenInCluster(({ cluster: { pod }, kubectl, worker, command }) => {
    const containers = pod?.status?.containerStatuses ?? [];
    const ended = containers.find(
      ({ restartCount = 0, lastState }) => restartCount > 0 || lastState?.terminated,
    );
    const runs = containers.some(({ state }) => state?.running !== undefined);
    if (pod === null || ended === undefined || runs === now) return [];
    const { restartCount = 0, lastState } = ended;
    const last = lastState?.terminated;
    const restarts = count(restartCount, 'restart');
    const log = `what it said last: ${command('logs', worker.name, 'boot', '--previous')}`;
    const more = `more: ${kubectl('describe', 'pod', pod.metadata.name ?? '')}`;
    if (last === undefined) {
      // The kubelet's clean-up, once a minute, may take away the ended container before anybody has read of it.
      return [
        {
          id: 'restarted',
          cause: 'the container has ended and was started again; Kubernetes does not know any more why',
          evidence: [`pod ${pod.metadata.name}: ${restarts}, and nothing of the last end`],
          next: [log, more],
        },
      ];
    }
    const limit = pod.spec?.containers?.[0]?.resources?.limits?.memory;
    // containerd remembers a kill of any process in the container's cgroup and gives it as the reason of a later end, also
    // of a clean one (seen with Kubernetes 1.34 and 1.37). Only SIGKILL's exit code says that the container died of it.
    const oom = last.reason === 'OOMKilled' && last.exitCode === SIGKILLED;
    const earlierKill = last.reason === 'OOMKilled' && !oom;
    return [
      {
        id: oom ? 'oom-killed' : 'restarted',
        cause: oom
          ? `the kernel killed the container at its memory limit${limit ? ` of ${limit}` : ''}; it was started again`
          : `the container ended with ${last.exitCode ?? '?'} (${earlierKill ? 'not for memory' : (last.reason ?? 'no reason given')}) and was started again`,
        evidence: [
          `pod ${pod.metadata.name}: lastState ${last.reason ?? '-'}, exit code ${last.exitCode ?? '-'}, ${restarts}`,
          ...(earlierKill
            ? ['OOMKilled is about a process that was killed earlier in the container, not about its end']
            : []),
          ...lastWords(last.message).map((line) => `its last words: ${line}`),
        ],
        next: [
          log,
          oom ? withValue('more of it: resources.limits.memory of the release', worker, MORE_MEMORY) : more,
        ],
      },
    ];
  });

export const killed = endedContainer(true);
export const killedBefore = endedContainer(false);

interface Eviction {
  readonly pod: string;
  readonly message: string;
}

/**
 * Pods that the kubelet has thrown out, the newest first. One that was killed says so itself; one that stopped in good order
 * within its grace period reads Succeeded like any other (seen with Kubernetes 1.34), and only an event tells.
 */
function evictions({ pods, warnings }: ClusterFacts): Eviction[] {
  const byEvents = warnings
    .filter(({ reason }) => reason === 'Evicted')
    .map(({ involvedObject, message = '' }) => ({ pod: involvedObject?.name ?? '', message }))
    .reverse();
  const byPods = pods
    .filter(({ status }) => status?.reason === 'Evicted')
    .toSorted((a, b) =>
      (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''),
    )
    .map(({ metadata, status }) => ({ pod: metadata.name ?? '', message: status?.message ?? '' }));
  // Of what is told of a pod the first, which is its own word, or the newest.
  return [
    ...new Map([...byPods, ...byEvents].reverse().map((eviction) => [eviction.pod, eviction])).values(),
  ].reverse();
}

/** Of the message with which the kubelet evicts for want of memory (its pkg/kubelet/eviction/helpers.go). */
const MEMORY_IN_USE = /Container worker was using (\d+)Ki, request is/;

/** `now`: the worker has no other pod. */
const evictedPods = (now: boolean) =>
  whenInCluster(({ cluster, worker, command }) => {
    const thrown = evictions(cluster);
    const [last] = thrown;
    if (last === undefined || (last.pod === cluster.pod?.metadata.name) !== now) return [];
    const message = last.message.trim();
    const what = /memory/i.test(message)
      ? 'memory'
      : /ephemeral|disk|storage|inodes/i.test(message)
        ? 'disk'
        : 'resources';
    const since = now ? '' : '; another pod has taken its place';
    const [, kibibytes] = MEMORY_IN_USE.exec(message) ?? [];
    return [
      {
        id: `evicted-${what}`,
        cause: `the kubelet evicted ${last.pod} for ${what}${since}`,
        evidence: [
          message || 'status.reason Evicted',
          ...(thrown.length > 1 ? [`${thrown.length} pods of this worker were evicted lately`] : []),
        ],
        next:
          what === 'disk'
            ? [
                withValue(
                  'put /var/lib/docker and what grows on a volume of their own: docker.storage of the chart',
                  worker,
                  'docker.storage.kind=ephemeral',
                ),
                `what is large now: ${command('usage', worker.name)}`,
              ]
            : [
                ...(kibibytes === undefined
                  ? []
                  : [
                      withValue(
                        'ask for what it uses: pods that use more than they ask for go first',
                        worker,
                        `resources.requests.memory=${Math.ceil(Number(kibibytes) / 1024)}Mi`,
                      ),
                    ]),
                'the node is short of it: a larger one, or a node pool for workers alone',
              ],
      },
    ];
  });

export const evicted = evictedPods(true);
export const evictedBefore = evictedPods(false);

/** A volume that is not there yet, or not any more. */
export const volumePending = whenInCluster(({ cluster: { claims, warnings }, kubectl, worker, command }) =>
  claims
    .filter(({ status }) => status?.phase !== 'Bound')
    .map(({ metadata, spec, status }) => {
      const describe = kubectl('describe', 'persistentvolumeclaim', metadata.name ?? '');
      if (status?.phase === 'Lost') {
        return {
          id: 'volume-lost',
          cause: `the volume of the claim ${metadata.name} is gone, and what was on it`,
          evidence: [`claim: ${status.phase}`, ...about(warnings, metadata.name)],
          next: [
            `the claim has to go: ${kubectl('delete', 'persistentvolumeclaim', metadata.name ?? '')}`,
            `then the worker gets a new one: ${command('provision', worker.name)}`,
            `and its state from a backup: ${command('restore', 'FILE', worker.name)}`,
          ],
        };
      }
      const storageClass = spec?.storageClassName ?? 'the default of the cluster';
      return {
        id: 'volume-pending',
        cause: `the volume ${metadata.name} is ${status?.phase ?? 'unknown'}, and the pod waits for it`,
        evidence: [
          `storage class: ${storageClass === '' ? 'none, a volume made by hand' : storageClass}`,
          ...about(warnings, metadata.name),
        ],
        next: [
          `which classes there are: ${kubectl('get', 'storageclasses')}`,
          `what it waits for: ${describe}`,
        ],
      };
    }),
);

/** Without the digest, which wins over a tag. */
const OTHER_IMAGE = 'image.repository=REPOSITORY,image.tag=TAG,image.digest=';

/** What the messages of a failed pull mean, what to do, and the value that does it. */
const PULLS: readonly (readonly [RegExp, string, string, string?])[] = [
  [
    /unauthorized|authentication required|denied|403 Forbidden|401/i,
    'the registry does not let it in',
    'the release needs a pull secret: imagePullSecrets of the chart',
    'imagePullSecrets={SECRET}',
  ],
  [
    /not found|manifest unknown|does not exist/i,
    'there is no such image or tag',
    'push it, or name one that is there: image.repository, image.tag, image.digest of the release',
    OTHER_IMAGE,
  ],
  [
    /no match for platform|exec format/i,
    'the image is for another kind of processor',
    'build it for the nodes: --platform linux/amd64',
  ],
  [
    /no such host|timeout|connection refused|server misbehaving|dial tcp|certificate|HTTP response to HTTPS/i,
    'the node cannot reach the registry',
    'is its name right, and can nodes reach it?',
  ],
  [
    /InvalidImageName|couldn't parse image/i,
    'the name of the image is no name',
    'image.repository and image.tag of the release',
    OTHER_IMAGE,
  ],
];

export const imagePull = whenInCluster(({ cluster: { pod, warnings }, kubectl, worker }) => {
  const waiting = pod?.status?.containerStatuses?.find(({ state }) =>
    /Image/.test(state?.waiting?.reason ?? ''),
  )?.state?.waiting;
  if (!pod || waiting === undefined) return [];
  const messages = [waiting.message ?? '', ...about(warnings, pod.metadata.name, 'Failed')];
  // `Back-off pulling image` says nothing; the event before it does.
  const known = PULLS.find(
    ([pattern]) => messages.some((text) => pattern.test(text)) || pattern.test(waiting.reason ?? ''),
  );
  return [
    {
      id: 'image-pull-reason',
      cause: `the image cannot be pulled: ${known?.[1] ?? waiting.reason}`,
      evidence: messages.filter((text) => text !== '').slice(0, 3),
      next: [
        ...(known ? [cure(worker, known[2], known[3])] : []),
        `more: ${kubectl('describe', 'pod', pod.metadata.name ?? '')}`,
      ],
    },
  ];
});

/** What the scheduler means, and the value that changes it. */
const HINTS: readonly (readonly [RegExp, string, string?])[] = [
  [
    /selector|affinity/,
    'nodeSelector of the release names labels that no node has; one that they have (a dot in LABEL is typed \\.)',
    'nodeSelector.LABEL=VALUE',
  ],
  [/were unschedulable/, 'a node is cordoned; whoever did it lifts it with kubectl uncordon NODE'],
  ...['cpu', 'memory', 'ephemeral-storage'].map(
    (resource) =>
      [
        new RegExp(`Insufficient ${resource}`),
        'no node has so much left: another node, or smaller resources.requests of the release',
        `resources.requests.${resource}=SIZE`,
      ] as const,
  ),
  [
    /Insufficient (?!cpu|memory|ephemeral-storage)/,
    'no node has so much left: another node, or smaller resources.requests of the release',
  ],
  [/ReadWriteOncePod|in-use/, 'another pod still has the volume; it has to end first'],
];

/** Begins the taints by which Kubernetes itself keeps pods away, for as long as something is wrong with the node. */
const OWN_TAINT = 'node.kubernetes.io/';
/** Nobody wants a worker there. */
const CONTROL_PLANE = 'node-role.kubernetes.io/control-plane';

/** What lets a pod onto tainted nodes: time where the node is in trouble, a toleration where somebody reserves it. */
function taintHints(
  nodes: readonly NodeObject[],
  worker: ClusterWorker,
  kubectl: (...words: string[]) => string,
): string[] {
  const taints = nodes.flatMap(({ metadata: { name }, spec }) =>
    (spec?.taints ?? []).map(({ key }) => ({ name, key })),
  );
  const passing = taints.filter(({ key }) => key.startsWith(OWN_TAINT));
  const reserved = taints.filter(({ key }) => !key.startsWith(OWN_TAINT) && key !== CONTROL_PLANE);
  const waits = passing.map(
    ({ name, key }) =>
      `${name} takes no pods as long as it has ${key}; why: ${kubectl('describe', 'node', name ?? '')}`,
  );
  if (waits.length > 0 && reserved.length === 0) return waits;
  const keys = [...new Set(reserved.map(({ key }) => key))];
  const fit = withValue(
    `tolerations of the release, the whole list, have to fit the taints of the node pool${keys.length === 0 ? '' : `: ${keys.join(', ')}`}`,
    worker,
    `tolerations[0].key=${keys[0] ?? 'KEY'},tolerations[0].operator=Exists`,
  );
  return [...waits, fit];
}

export const unscheduled = whenInCluster(({ cluster: { pod, nodes, claims }, kubectl, worker }) => {
  const message = unscheduledBecause(pod);
  if (message === null || claims.some(({ status }) => status?.phase !== 'Bound')) return [];
  const next = [
    ...HINTS.filter(([pattern]) => pattern.test(message)).map(([, hint, assignment]) =>
      cure(worker, hint, assignment),
    ),
    ...(/taint/.test(message) ? taintHints(nodes, worker, kubectl) : []),
  ];
  return [
    {
      id: 'unscheduled',
      cause: 'no node takes the pod',
      evidence: [message],
      next: [...next, `nodes: ${kubectl('get', 'nodes')}`],
    },
  ];
});

export const node = whenInCluster(({ cluster: { node: found, pod }, kubectl, snapshot, pod: seen }) => {
  const name = pod?.spec?.nodeName ?? '';
  const force = `when the machine is gone for good: ${kubectl('delete', 'pod', pod?.metadata.name ?? '', '--force', '--grace-period=0')}`;
  if (found === 'gone') {
    return [
      {
        id: 'node-gone',
        cause: `the node ${name} of the pod does not exist any more`,
        evidence: [`${shellLine(['kubectl', 'get', 'node', name])}: not found`],
        next: [force],
      },
    ];
  }
  if (found === null) return [];
  const conditions = found.status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  const pressures = conditions.filter(
    ({ type, status: value }) => type.endsWith('Pressure') && value === 'True',
  );
  const findings: Found[] = [];
  if (ready !== undefined && ready.status !== 'True') {
    findings.push({
      id: 'node-not-ready',
      cause: `the node ${name} is not ready: nothing on it can be reached`,
      evidence: [`${ready.reason ?? ''}: ${ready.message ?? ''}`],
      next: [`the node: ${kubectl('describe', 'node', name)}`, force],
    });
  }
  for (const { type, message } of pressures) {
    findings.push({
      id: 'node-pressure',
      cause: `the node ${name} is under ${type.replace('Pressure', '').toLowerCase()} pressure: it evicts pods`,
      evidence: [message ?? type],
      next: [
        `what runs there: ${kubectl('get', 'pods', '--all-namespaces', `--field-selector=spec.nodeName=${name}`)}`,
      ],
    });
  }
  if (found.spec?.unschedulable === true && (snapshot === null || seen?.ready === false)) {
    findings.push({
      id: 'node-cordoned',
      cause: `the node ${name} takes no new pods (cordoned)`,
      evidence: ['spec.unschedulable: true'],
      next: [`lift it: ${kubectl('uncordon', name)}`],
    });
  }
  return findings;
});

/** The pod was found and cannot be entered for want of a permission. */
export const execForbidden = whenInCluster(({ refusal, cluster: { pod }, kubectl }) => {
  if (refusal?.status !== 'forbidden' || pod === null || !/pods\/exec/.test(refusal.cause)) return [];
  return [
    {
      id: 'exec-forbidden',
      cause: 'the pod is there, but nobody lets you in: the verb create on pods/exec is missing',
      evidence: [refusal.cause, `pod ${pod.metadata.name} is ${pod.status?.phase}`],
      next: [
        `check: ${kubectl('auth', 'can-i', 'create', 'pods/exec')}`,
        `somebody who may grants it: ${kubectl('create', 'role', 'worker-operator', '--verb=get,list,create', '--resource=pods,pods/exec')}`,
      ],
    },
  ];
});

/** Reasons of warnings that other rules explain better, or that pass by themselves. */
const EXPLAINED =
  /^(?:Failed|BackOff|Evicted|FailedScheduling|ErrImagePull|InspectFailed|NodeNotReady|MissingClusterDNS)$/;

/** What else Kubernetes warns of. */
export const warned = whenInCluster(({ cluster: { warnings, pod }, kubectl }) => {
  if (pod === null) return [];
  const current = warnings.filter(
    ({ involvedObject, reason }) =>
      involvedObject?.name === pod.metadata.name && !EXPLAINED.test(reason ?? ''),
  );
  const latest = new Map(current.map((event) => [event.reason ?? '', event]));
  return [...latest.values()].slice(-3).map(({ reason, message, count }) => ({
    id: `event-${(reason ?? 'warning').toLowerCase()}`,
    cause: `Kubernetes warns of the pod: ${reason}`,
    evidence: [`${message ?? ''}${count && count > 1 ? ` (${count} times)` : ''}`],
    next: [`all events: ${kubectl('describe', 'pod', pod.metadata.name ?? '')}`],
  }));
});

/** What could not be looked at, so that nobody takes silence for health. */
export const unreadable = whenInCluster(({ cluster }) =>
  cluster.unreadable.map((text) => ({
    id: 'not-looked-at',
    cause: 'not everything could be looked at',
    evidence: text.split('\n'),
    next: [],
  })),
);

/** A hint, with the command where a value can be named. */
function cure(worker: ClusterWorker, hint: string, assignment?: string): string {
  return assignment === undefined ? hint : withValue(hint, worker, assignment);
}

/** The messages of the newest events about an object, newest first. */
function about(warnings: readonly EventObject[], name: string | undefined, reason?: string): string[] {
  const texts = warnings
    .filter(
      (event) => event.involvedObject?.name === name && (reason === undefined || event.reason === reason),
    )
    .map(({ message }) => message ?? '');
  return [...new Set(texts.reverse())].slice(0, 3);
}
