/** Rules about the infrastructure: Docker, memory, disks, and what Kubernetes says about the pod. Pure. */
import { bytes, count, enumerate, shellLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { type ContainerStatus, containerName, PASSING_REASONS, type PodObject } from '../transport/pods.ts';
import type { CgroupMemory } from '../worker/memory.ts';
import {
  affinityText,
  isCordoned,
  isLocal,
  mountableText,
  type NodeObject,
  nodesFor,
  type Taint,
} from '../worker/volume-nodes.ts';
import {
  type ClusterFacts,
  type EventObject,
  type Toleration,
  unscheduledBecause,
  type WorkerPod,
} from './cluster.ts';
import {
  type Facts,
  type Found,
  type InClusterFacts,
  missingClaim,
  type Rule,
  whenEntered,
  whenInCluster,
  whenProbed,
  withValue,
} from './facts.ts';
import { judgeDisk } from './probe-rules.ts';

/** More memory for a worker: at once, if it is in a cluster. */
function moreMemory({ worker, command }: Pick<Facts, 'worker' | 'command'>): string[] {
  return worker.runtime === 'local'
    ? []
    : [`more memory, without a restart: ${command('resize', worker.name, '--memory', 'SIZE')}`];
}

/** Docker is down, or its storage driver copies every layer. */
export const docker = whenProbed(({ docker: found, snapshot: { boot }, worker, command }) => {
  const phase = boot?.phases.find(({ name }) => name === 'docker');
  // The boot has not reached Docker yet.
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
  // btrfs, zfs and the others share what layers have in common.
  if (driver !== 'vfs' && below !== 'overlayfs') return [];
  return [
    {
      id: 'docker-driver',
      cause:
        driver === 'vfs'
          ? `Docker uses the storage driver ${driver}, which copies whole layers: it is slow and fills the disk`
          : `Docker's storage driver ${driver} is on an overlay: every layer is copied whole, or cannot be created`,
      evidence: [`docker info: Driver ${driver}`, ...(below === null ? [] : [`/var/lib/docker: ${below}`])],
      next: [
        withValue(
          '/var/lib/docker has to be a volume (docker.storage of the chart), not part of the container',
          worker,
          'docker.storage.kind=ephemeral',
        ),
        logs,
      ],
    },
  ];
});

/** Packets larger than the MTU of the pod's network are lost: pulls and TLS handshakes hang. */
export const mtu: Rule = ({ docker: found, worker }) => {
  const { podMtu = null, networks = [] } = found ?? {};
  if (podMtu === null) return [];
  const larger = networks.filter((network) => network.mtu > podMtu);
  if (larger.length === 0) return [];
  return [
    {
      id: 'mtu',
      cause: `packets of ${enumerate(larger.map(({ name }) => name))} are too large for the pod's network: downloads and TLS in containers hang`,
      evidence: [`pod: ${podMtu}`, ...larger.map(({ name, mtu: size }) => `docker network ${name}: ${size}`)],
      next: [
        'existing networks keep their MTU: bring their stack down and up again',
        withValue('for new networks: docker.mtu of the chart', worker, `docker.mtu=${podMtu}`),
      ],
    },
  ];
};

/** All disks except the state volume, which has its own rule. */
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
          `what fills it: ${command('usage', worker.name)}`,
          `what can be removed: ${command('cleanup', worker.name, '--dry-run')}`,
        ],
      },
    ];
  });

/** The kernel killed a process inside the running pod. Counters and the kernel's log say at which limit, the log says which process. */
export const killedInside = whenEntered(({ inside, worker, command }) => {
  const usage = `what uses how much: ${command('usage', worker.name)}`;
  const look = (name: string, memory: CgroupMemory | null, ofDocker: boolean) => {
    const logged = inside.kills.filter(({ atDockersLimit }) => atDockersLimit === ofDocker);
    // In cgroup v1 the counter belongs to the victim's own cgroup, which disappears with its container.
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
      cause: `a container was killed for lack of memory, at the limit of all containers together (${containers.kills})`,
      evidence: containers.evidence,
      next: [
        usage,
        ...moreMemory({ worker, command }),
        withValue('for containers: a smaller docker.memoryReserve', worker, 'docker.memoryReserve=SIZE'),
      ],
    });
  }
  if (processes.any) {
    found.push({
      id: 'oom-process',
      cause: `a process of the worker was killed for lack of memory, at the limit of the pod (${processes.kills})`,
      evidence: processes.evidence,
      next: [usage, ...moreMemory({ worker, command })],
    });
  }
  return found;
});

/** The last lines of a container's output, which Kubernetes keeps as its termination message. */
function lastWords(message = ''): string[] {
  return message
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-3);
}

const statusOf = ({ status }: PodObject, container: string): ContainerStatus | undefined =>
  status?.containerStatuses?.find(({ name }) => name === container);

/** The exit code of a process that SIGKILL ended. */
const SIGKILLED = 137;

/** The container itself ended, and with it every session. `now`: it does not run again yet. */
const endedContainer = (now: boolean) =>
  whenInCluster(({ cluster: { pod }, kubectl, worker, command }) => {
    if (pod === null) return [];
    const own = containerName(pod, worker.container);
    const { restartCount = 0, lastState, state } = statusOf(pod, own) ?? {};
    const last = lastState?.terminated;
    if ((restartCount === 0 && !last) || (state?.running !== undefined) === now) return [];
    const restarts = count(restartCount, 'restart');
    const log = `its last output: ${command('logs', worker.name, 'boot', '--previous')}`;
    const more = `more: ${kubectl('describe', 'pod', pod.metadata.name ?? '')}`;
    if (last === undefined) {
      // The kubelet's clean-up, once a minute, may remove the ended container before its state is read.
      return [
        {
          id: 'restarted',
          cause: 'the container ended and was started again; Kubernetes no longer knows why',
          evidence: [`pod ${pod.metadata.name}: ${restarts}, no last state`],
          next: [log, more],
        },
      ];
    }
    const limit = pod.spec?.containers?.find(({ name }) => name === own)?.resources?.limits?.['memory'];
    // containerd remembers a kill of any process in the container's cgroup and reports it as the reason of a later end, even
    // of a clean one (seen with Kubernetes 1.34 and 1.37). Only SIGKILL's exit code shows that the container died of it.
    const oom = last.reason === 'OOMKilled' && last.exitCode === SIGKILLED;
    const earlierKill = last.reason === 'OOMKilled' && !oom;
    return [
      {
        id: oom ? 'oom-killed' : 'restarted',
        cause: oom
          ? `the kernel killed the container at its memory limit${limit ? ` of ${limit}` : ''}; it was started again`
          : `the container ended with ${last.exitCode ?? '?'} (${earlierKill ? 'not for lack of memory' : (last.reason ?? 'no reason given')}) and was started again`,
        evidence: [
          `pod ${pod.metadata.name}: lastState ${last.reason ?? '-'}, exit code ${last.exitCode ?? '-'}, ${restarts}`,
          ...(earlierKill
            ? ['OOMKilled refers to a process that was killed earlier in the container, not to its end']
            : []),
          ...lastWords(last.message).map((line) => `its last words: ${line}`),
        ],
        next: [log, ...(oom ? moreMemory({ worker, command }) : [more])],
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
 * Pods that the kubelet evicted, newest first. A killed pod says so itself; one that stopped cleanly within its grace period
 * reads Succeeded like any other (seen with Kubernetes 1.34), and only an event shows the eviction.
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
  // One entry per pod: its own status wins, otherwise its newest event.
  return [
    ...new Map([...byPods, ...byEvents].reverse().map((eviction) => [eviction.pod, eviction])).values(),
  ].reverse();
}

/** Part of the kubelet's message when it evicts for lack of memory (its pkg/kubelet/eviction/helpers.go). */
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
          ...(thrown.length > 1 ? [`${thrown.length} pods of this worker were evicted recently`] : []),
        ],
        next:
          what === 'disk'
            ? [
                withValue(
                  'put /var/lib/docker and everything that grows on a separate volume: docker.storage of the chart',
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
                        'request what it uses: pods that use more than they request are evicted first',
                        worker,
                        `resources.requests.memory=${Math.ceil(Number(kibibytes) / 1024)}Mi`,
                      ),
                    ]),
                'the node is short of it: use a larger one, or a node pool for workers only',
              ],
      },
    ];
  });

export const evicted = evictedPods(true);
export const evictedBefore = evictedPods(false);

/**
 * Messages of the scheduler while the volume does not let it look for a node. Otherwise a claim without a volume is one whose
 * volume is chosen with the node (volumeBindingMode WaitForFirstConsumer), and waits for it.
 */
const VOLUME_FIRST = /unbound immediate|binding volumes/;

/** A volume that does not exist yet, or no longer exists. */
export const volumePending = whenInCluster(({ cluster, kubectl, worker, command }) => {
  const { claims, warnings } = cluster;
  const isFirst = VOLUME_FIRST.test(unscheduledBecause(cluster.pod) ?? 'binding volumes');
  return claims
    .filter(({ status }) => status?.phase === 'Lost' || (status?.phase !== 'Bound' && isFirst))
    .map(({ metadata, spec, status }) => {
      const describe = kubectl('describe', 'persistentvolumeclaim', metadata.name ?? '');
      if (status?.phase === 'Lost') {
        return {
          id: 'volume-lost',
          cause: `the volume of the claim ${metadata.name} is gone, with everything on it`,
          evidence: [`claim: ${status.phase}`, ...about(warnings, metadata.name)],
          next: anotherVolume('', metadata.name ?? '', { kubectl, command, worker }),
        };
      }
      const storageClass = spec?.storageClassName ?? 'the default of the cluster';
      return {
        id: 'volume-pending',
        cause: `the volume ${metadata.name} is ${status?.phase ?? 'unknown'}, and the pod waits for it`,
        evidence: [
          `storage class: ${storageClass === '' ? 'none, a volume created by hand' : storageClass}`,
          ...about(warnings, metadata.name),
        ],
        next: [`existing classes: ${kubectl('get', 'storageclasses')}`, `what it waits for: ${describe}`],
      };
    });
});

/** A worker whose volume is lost goes on with a new one. @param when it is, if that is not certain */
function anotherVolume(
  when: string,
  claim: string,
  { kubectl, command, worker }: Pick<InClusterFacts, 'kubectl' | 'command' | 'worker'>,
): string[] {
  return [
    `${when}delete the claim: ${kubectl('delete', 'persistentvolumeclaim', claim)}`,
    `then create a new one: ${command('provision', worker.name)}`,
    `and restore the state from a backup: ${command('restore', 'FILE', worker.name)}`,
  ];
}

/** Clears the digest, which takes precedence over a tag. */
const OTHER_IMAGE = 'image.repository=REPOSITORY,image.tag=TAG,image.digest=';

/** Messages of a failed pull: the cause, what to do, and the chart value that does it. */
const PULLS: readonly (readonly [RegExp, string, string, string?])[] = [
  [
    /unauthorized|authentication required|denied|403 Forbidden|401/i,
    'the registry denies access',
    'the release needs a pull secret: imagePullSecrets of the chart',
    'imagePullSecrets={SECRET}',
  ],
  [
    /not found|manifest unknown|does not exist/i,
    'there is no such image or tag',
    'push it, or name one that exists: image.repository, image.tag, image.digest of the release',
    OTHER_IMAGE,
  ],
  [
    /no match for platform|exec format/i,
    'the image is for another architecture',
    'build it for the nodes: --platform linux/amd64',
  ],
  [
    /no such host|timeout|connection refused|server misbehaving|dial tcp|certificate|HTTP response to HTTPS/i,
    'the node cannot reach the registry',
    'check its name, and whether nodes can reach it',
  ],
  [
    /InvalidImageName|couldn't parse image/i,
    'the image name is invalid',
    'image.repository and image.tag of the release',
    OTHER_IMAGE,
  ],
];

export const imagePull = whenInCluster(({ cluster: { pod, warnings }, kubectl, worker }) => {
  const waiting = pod && statusOf(pod, containerName(pod, worker.container))?.state?.waiting;
  if (!pod || !waiting || !/Image/.test(waiting.reason ?? '')) return [];
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

/** What somebody else's webhook has put into the pod, such as the sidecar of a service mesh, keeps the pod from being Ready. */
export const otherContainers = whenInCluster(({ cluster: { pod }, kubectl, worker }) => {
  if (pod === null) return [];
  const { name: podName = '' } = pod.metadata;
  const own = containerName(pod, worker.container);
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...initContainerStatuses, ...containerStatuses].flatMap(({ name, state, restartCount = 0 }) => {
    const { reason, message } = state?.waiting ?? {};
    if (name === own || reason === undefined || PASSING_REASONS.has(reason)) return [];
    const restarts = restartCount > 0 ? `, ${count(restartCount, 'restart')}` : '';
    return [
      {
        id: 'other-container',
        cause: `container ${name}, which is not the worker’s own, does not run`,
        evidence: [`pod ${podName}: ${[reason, message].filter(Boolean).join(': ')}${restarts}`],
        next: [
          `its last output: ${kubectl('logs', podName, `--container=${name}`)}`,
          `more: ${kubectl('describe', 'pod', podName)}`,
        ],
      },
    ];
  });
});

/** Messages of the scheduler: what to do, and the chart value that does it. */
const HINTS: readonly (readonly [RegExp, string, string?])[] = [
  [
    /selector|pod (anti-)?affinity/,
    'nodeSelector of the release names labels that no node has; one that they have (a dot in LABEL is typed \\.)',
    'nodeSelector.LABEL=VALUE',
  ],
  ...['cpu', 'memory', 'ephemeral-storage'].map(
    (resource) =>
      [
        new RegExp(`Insufficient ${resource}`),
        'no node has enough free: add a node, or reduce resources.requests of the release',
        `resources.requests.${resource}=SIZE`,
      ] as const,
  ),
  [
    /Insufficient (?!cpu|memory|ephemeral-storage)/,
    'no node has enough free: add a node, or reduce resources.requests of the release',
  ],
  [/ReadWriteOncePod|in-use/, 'another pod still uses the volume; it has to end first'],
];

/** Prefix of the taints with which Kubernetes itself keeps pods away while a node has a problem. */
const OWN_TAINT = 'node.kubernetes.io/';
/** The cordon of a node, which has a hint of its own. */
const CORDON = `${OWN_TAINT}unschedulable`;
/** Workers do not belong on the control plane. */
const CONTROL_PLANE = 'node-role.kubernetes.io/control-plane';

/** As the scheduler compares them. */
function tolerates({ key, operator, value = '', effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (!key) return operator === 'Exists';
  return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''));
}

/**
 * Hints for tainted nodes: wait while the node has a problem; add a toleration if the node is reserved.
 *
 * @param isAll whether the pod is kept away by the taints of these nodes, and of no others
 */
function taintHints(
  pod: WorkerPod | null,
  nodes: readonly NodeObject[],
  worker: ClusterWorker,
  kubectl: (...words: string[]) => string,
  isAll: boolean,
): string[] {
  const tolerations = pod?.spec?.tolerations ?? [];
  const taints = nodes.flatMap(({ metadata: { name }, spec }) =>
    (spec?.taints ?? [])
      .filter((taint) => taint.key !== CORDON && !tolerations.some((one) => tolerates(one, taint)))
      .map(({ key }) => ({ name, key })),
  );
  if (isAll && taints.length === 0) return [];
  const passing = taints.filter(({ key }) => key.startsWith(OWN_TAINT));
  const reserved = taints.filter(({ key }) => !key.startsWith(OWN_TAINT) && key !== CONTROL_PLANE);
  const waits = passing.map(
    ({ name, key }) =>
      `${name} takes no pods while it has ${key}; why: ${kubectl('describe', 'node', name ?? '')}`,
  );
  if (waits.length > 0 && reserved.length === 0) return waits;
  const keys = [...new Set(reserved.map(({ key }) => key))];
  const fit = withValue(
    `tolerations of the release (the whole list) have to match the taints of the node pool${keys.length === 0 ? '' : `: ${keys.join(', ')}`}`,
    worker,
    `tolerations[0].key=${keys[0] ?? 'KEY'},tolerations[0].operator=Exists`,
  );
  return [...waits, fit];
}

/** To lift a cordon, with the names of the nodes where they are known. */
function cordonHints(nodes: readonly NodeObject[], kubectl: InClusterFacts['kubectl']): string[] {
  const names =
    nodes.length === 0 ? ['NODE'] : nodes.filter(isCordoned).map(({ metadata }) => metadata.name ?? '');
  return names.map((name) => `a node is cordoned; to lift that: ${kubectl('uncordon', name)}`);
}

/** What to do about the volumes of a pod that no node takes. */
function volumeHints(
  message: string,
  { cluster: { claims, volumes, nodes }, kubectl, worker, command }: InClusterFacts,
): string[] {
  const [, missing] = /persistentvolumeclaim "([^"]+)" not found/.exec(message) ?? [];
  const hints = missing === undefined ? [] : [missingClaim(worker, missing, command)];
  for (const { metadata, spec, status } of claims) {
    const { name: claim = '' } = metadata;
    if (status?.phase !== 'Bound') {
      if (!/find available persistent volumes/.test(message)) continue;
      hints.push(
        `no node has a free volume for the claim ${claim}, of class ${spec?.storageClassName}: ${kubectl('get', 'persistentvolumes')}`,
        `one that is Released is free again, with what is on it, without its claimRef: ${kubectl('patch', 'persistentvolume', 'VOLUME', '--type=merge', '--patch={"spec":{"claimRef":null}}')}`,
      );
      continue;
    }
    const { volumeName = '' } = spec ?? {};
    const volume = volumes.find((one) => one.metadata.name === volumeName);
    if (volume === undefined) {
      if (/volume/i.test(message))
        hints.push(
          `it can only be scheduled where its volume can be mounted: ${kubectl('describe', 'persistentvolume', volumeName)}`,
        );
    } else if (nodes.length > 0 && nodesFor(volume, nodes).length === 0) {
      hints.push(
        `it starts by itself when ${isLocal(volume) ? 'that node is back' : 'there is one'}`,
        ...(isLocal(volume)
          ? anotherVolume('if that machine is gone for good, the volume is lost with it; ', claim, {
              kubectl,
              command,
              worker,
            })
          : []),
      );
    }
  }
  return hints;
}

export const unscheduled = whenInCluster((facts) => {
  const { pod, nodes, claims, volumes, warnings } = facts.cluster;
  const { kubectl, worker } = facts;
  const message = unscheduledBecause(pod);
  const unbound = claims.filter(({ status }) => status?.phase !== 'Bound');
  if (message === null || (unbound.length > 0 && VOLUME_FIRST.test(message))) return [];
  if (claims.some(({ status }) => status?.phase === 'Lost')) return [];
  // One that not all nodes can mount. What the other nodes are short of does not matter then.
  const volume = volumes.find(
    (one) => affinityText(one) !== '' && (nodes.length === 0 || nodesFor(one, nodes).length < nodes.length),
  );
  const own = volume === undefined ? nodes : nodesFor(volume, nodes);
  const isNowhere = volume !== undefined && nodes.length > 0 && own.length === 0;
  const where =
    volume === undefined ? '' : `: its volume ${volume.metadata.name} ${mountableText(volume, nodes)}`;
  return [
    {
      id: 'unscheduled',
      cause: `no node takes the pod${where}`,
      evidence: [
        message,
        ...(volume === undefined
          ? []
          : [`persistentvolume ${volume.metadata.name}: ${affinityText(volume)}`]),
        ...unbound.flatMap(({ metadata }) => about(warnings, metadata.name)),
      ],
      next: [
        ...volumeHints(message, facts),
        ...(isNowhere
          ? []
          : [
              ...HINTS.filter(([pattern]) => pattern.test(message)).map(([, hint, assignment]) =>
                cure(worker, hint, assignment),
              ),
              ...(/were unschedulable/.test(message) ? cordonHints(own, kubectl) : []),
              ...(/taint/.test(message) ? taintHints(pod, own, worker, kubectl, volume !== undefined) : []),
            ]),
        `nodes: ${kubectl('get', 'nodes')}`,
      ],
    },
  ];
});

export const node = whenInCluster(({ cluster: { node: found, pod }, kubectl, snapshot, pod: seen }) => {
  const name = pod?.spec?.nodeName ?? '';
  const force = `if the machine is gone for good: ${kubectl('delete', 'pod', pod?.metadata.name ?? '', '--force', '--grace-period=0')}`;
  if (found === 'gone') {
    return [
      {
        id: 'node-gone',
        cause: `the node ${name} of the pod no longer exists`,
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

/** What a node announces (Kubernetes 1.36, kubelet and node lifecycle). */
const NODE_LEAVES: Readonly<Record<string, string>> = {
  DrainInProgress: 'is being drained: its pods are evicted',
  MaintenancePlanned: 'is going to be taken down for maintenance',
  GracefulNodeShutdownInProgress: 'is shutting down: it ends its pods',
};

/** Not a fault of the worker, which continues on another node; but its running stage is interrupted. */
export const nodeLeaves = whenInCluster(({ cluster: { node: found, pod }, kubectl, worker, command }) => {
  if (found === null || found === 'gone') return [];
  const name = pod?.spec?.nodeName ?? '';
  return (found.status?.conditions ?? []).flatMap(({ type, status, message }) => {
    const cause = NODE_LEAVES[type];
    if (cause === undefined || status !== 'True') return [];
    return [
      {
        id: 'node-leaves',
        cause: `the node ${name} ${cause}`,
        evidence: [`${type}: ${message ?? ''}`],
        next: [
          `let the running stage end, and start no other: ${command('drain', worker.name, '--wait')}`,
          `the node: ${kubectl('describe', 'node', name)}`,
        ],
      },
    ];
  });
});

/** New limits that the kubelet has not given to the running pod (Kubernetes 1.33). */
export const resizePending = whenInCluster(({ cluster: { pod }, kubectl, worker, command }) =>
  (pod?.status?.conditions ?? [])
    .filter(({ type, status }) => type.startsWith('PodResize') && status === 'True')
    .map(({ type, reason, message }) => ({
      id: 'resize-pending',
      cause: `the pod does not have its new limits yet: ${reason ?? 'the node is at it'}`,
      evidence: [`${type}: ${message ?? ''}`],
      next: [
        `other limits: ${command('resize', worker.name, '--memory', 'SIZE')}`,
        `what the node has: ${kubectl('describe', 'node', pod?.spec?.nodeName ?? '')}`,
      ],
    })),
);

/** The pod exists, but a permission to enter it is missing. */
export const execForbidden = whenInCluster(({ refusal, cluster: { pod }, kubectl }) => {
  if (refusal?.status !== 'forbidden' || pod === null || !/pods\/exec/.test(refusal.cause)) return [];
  return [
    {
      id: 'exec-forbidden',
      cause:
        'the pod exists, but you have no permission to enter it: the verb create on pods/exec is missing',
      evidence: [refusal.cause, `pod ${pod.metadata.name} is ${pod.status?.phase}`],
      next: [
        `check: ${kubectl('auth', 'can-i', 'create', 'pods/exec')}`,
        `an administrator can grant it: ${kubectl('create', 'role', 'worker-operator', '--verb=get,list,create', '--resource=pods,pods/exec')}`,
      ],
    },
  ];
});

/** Reasons of warnings that other rules explain better, or that pass. */
const EXPLAINED =
  /^(?:Failed|BackOff|Evicted|FailedScheduling|ErrImagePull|InspectFailed|NodeNotReady|MissingClusterDNS)$/;

/** All other warnings of Kubernetes about the pod. */
export const warned = whenInCluster(({ cluster: { warnings, pod }, kubectl }) => {
  if (pod === null) return [];
  const current = warnings.filter(
    ({ involvedObject, reason }) =>
      involvedObject?.name === pod.metadata.name && !EXPLAINED.test(reason ?? ''),
  );
  const latest = new Map(current.map((event) => [event.reason ?? '', event]));
  return [...latest.values()].slice(-3).map(({ reason, message, count }) => ({
    id: `event-${(reason ?? 'warning').toLowerCase()}`,
    cause: `Kubernetes warns about the pod: ${reason}`,
    evidence: [`${message ?? ''}${count && count > 1 ? ` (${count} times)` : ''}`],
    next: [`all events: ${kubectl('describe', 'pod', pod.metadata.name ?? '')}`],
  }));
});

/** Reports what could not be read, so that no finding is not mistaken for health. */
export const unreadable = whenInCluster(({ cluster }) =>
  cluster.unreadable.map((text) => ({
    id: 'not-looked-at',
    cause: 'not everything could be read',
    evidence: text.split('\n'),
    next: [],
  })),
);

/** A hint, with the command if there is a chart value to set. */
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
