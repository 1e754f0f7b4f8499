/** Rules about the machine under the work: Docker, memory, disks of a pod, and what Kubernetes says of it. Pure. */
import { bytes, count } from '../cli/text.ts';
import { DISK_WARN, describeFull, shareUsed } from '../worker/disk.ts';
import type { EventObject } from './cluster.ts';
import { type Finding, whenEntered, whenInCluster } from './diagnosis.ts';
import type { CgroupMemory } from './inside.ts';

/** Docker is down, or on a driver that copies every layer. */
export const docker = whenEntered(({ inside, snapshot: { boot }, worker, command }) => {
  const phase = boot?.phases.find(({ name }) => name === 'docker');
  if (inside.docker === null || phase === undefined || phase.status === 'off') return [];
  const { driver, error } = inside.docker;
  const logs = `its log: ${command('logs', worker.name, 'docker')}`;
  if (driver === null) {
    return [
      {
        id: 'docker-down',
        cause: 'Docker does not answer: compose stacks and builds fail; the supervisor keeps starting it',
        evidence: [`docker info: ${error}`, `boot: docker ${phase.status}: ${phase.message}`],
        next: [logs],
      },
    ];
  }
  if (driver === 'overlay2' || driver === 'overlayfs') return [];
  return [
    {
      id: 'docker-driver',
      cause: `Docker uses the storage driver ${driver}, which copies whole layers: it is slow and fills the disk`,
      evidence: [`docker info: Driver ${driver}`],
      next: [
        '/var/lib/docker has to be a volume (docker.storage of the chart), not a part of the container',
        logs,
      ],
    },
  ];
});

/** Packets that are larger than the pod's network takes are lost: pulls and TLS handshakes hang. */
export const mtu = whenEntered(({ inside }) => {
  const { podMtu = null, networks = [] } = inside.docker ?? {};
  if (podMtu === null) return [];
  const larger = networks.filter((network) => network.mtu > podMtu);
  if (larger.length === 0) return [];
  return [
    {
      id: 'mtu',
      cause:
        'networks of Docker let packets through that the network of the pod does not take: downloads in containers hang',
      evidence: [`pod: ${podMtu}`, ...larger.map(({ name, mtu: size }) => `docker network ${name}: ${size}`)],
      next: [
        'networks that are older than the setting keep theirs: bring their stack down and up again',
        'for all to come: docker.mtu of the chart; see charts/factory-worker/README.md',
      ],
    },
  ];
});

/** Disks other than the state volume, of which `status` speaks. */
export const disks = whenEntered(({ inside, worker, command }) =>
  inside.disks
    .filter((disk) => shareUsed(disk) >= DISK_WARN)
    .map((disk) => ({
      id: 'disk',
      cause: describeFull(disk),
      evidence: [`df: ${bytes(disk.freeBytes)} free of ${bytes(disk.sizeBytes)}`],
      next: [
        `by what: ${command('usage', worker.name)}`,
        `what could go: ${command('cleanup', worker.name, '--dry-run')}`,
      ],
    })),
);

/** The kernel has killed something inside the living pod; the counts say at whose limit, its log says whom. */
export const killedInside = whenEntered(({ inside, worker, command }) => {
  const usage = `what takes how much: ${command('usage', worker.name)}`;
  const evidence = (name: string, { kills, usedBytes, limitBytes }: CgroupMemory, ofDocker: boolean) => [
    `cgroup of ${name}: oom_kill ${kills}, ${bytes(usedBytes)} in use, ${limitBytes === null ? 'no limit' : `limit ${bytes(limitBytes)}`}`,
    ...inside.kills
      .filter(({ atDockersLimit }) => atDockersLimit === ofDocker)
      .map(({ program, pid }) => `the kernel: killed ${program} (pid ${pid} of the node)`),
  ];
  const { pod, docker: containers } = inside.memory;
  const found: Finding[] = [];
  if (containers !== null && containers.kills > 0) {
    found.push({
      id: 'oom-container',
      cause: `a container was killed for memory, at the limit of all containers together (${count(containers.kills, 'kill')})`,
      evidence: evidence('Docker', containers, true),
      next: [usage, 'for all: resources.limits.memory of the release; for containers: docker.memoryReserve'],
    });
  }
  if (pod !== null && pod.kills > 0) {
    found.push({
      id: 'oom-process',
      cause: `a process of the worker was killed for memory, at the limit of the pod (${count(pod.kills, 'kill')})`,
      evidence: evidence('the pod', pod, false),
      next: [usage, 'more of it: resources.limits.memory of the release'],
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

/** The container itself ended: who was PID 1 then is gone, and with it every session. `now`: it does not run again yet. */
const endedContainer = (now: boolean) =>
  whenInCluster(({ cluster: { pod }, kubectl, worker, command }) => {
    const last = pod?.status?.containerStatuses?.find(({ lastState }) => lastState?.terminated)?.lastState
      ?.terminated;
    const runs = pod?.status?.containerStatuses?.some(({ state }) => state?.running !== undefined) ?? false;
    if (pod === null || last === undefined || runs === now) return [];
    const limit = pod.spec?.containers?.[0]?.resources?.limits?.memory;
    const oom = last.reason === 'OOMKilled';
    return [
      {
        id: oom ? 'oom-killed' : 'restarted',
        cause: oom
          ? `the kernel killed the container at its memory limit${limit ? ` of ${limit}` : ''}; it was started again`
          : `the container ended with ${last.exitCode ?? '?'} (${last.reason ?? 'no reason given'}) and was started again`,
        evidence: [
          `pod ${pod.metadata.name}: lastState ${last.reason ?? '-'}, exit code ${last.exitCode ?? '-'}, ${pod.status?.containerStatuses?.[0]?.restartCount ?? 0} restarts`,
          ...lastWords(last.message).map((line) => `its last words: ${line}`),
        ],
        next: [
          `what it said last: ${command('logs', worker.name, 'boot', '--previous')}`,
          ...(oom
            ? ['more of it: resources.limits.memory of the release']
            : [`more: ${kubectl(`describe pod ${pod.metadata.name}`)}`]),
        ],
      },
    ];
  });

export const killed = endedContainer(true);
export const killedBefore = endedContainer(false);

/** Pods that the kubelet has thrown out; they stay in the list with the reason. `now`: the worker has no other pod. */
const evictedPods = (now: boolean) =>
  whenInCluster(({ cluster: { pods, pod: current }, worker, command }) => {
    const thrown = pods
      .filter(({ status }) => status?.reason === 'Evicted')
      .toSorted((a, b) =>
        (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''),
      );
    const [last] = thrown;
    if (last === undefined || (last === current) !== now) return [];
    const message = last.status?.message?.trim() ?? '';
    const what = /memory/i.test(message)
      ? 'memory'
      : /ephemeral|disk|storage|inodes/i.test(message)
        ? 'disk'
        : 'resources';
    const since = now ? '' : '; another pod has taken its place';
    return [
      {
        id: `evicted-${what}`,
        cause: `the kubelet evicted ${last.metadata.name} for ${what}${since}`,
        evidence: [
          message || 'status.reason Evicted',
          ...(thrown.length > 1 ? [`${thrown.length} evicted pods of this worker are in the list`] : []),
        ],
        next:
          what === 'disk'
            ? [
                'put /var/lib/docker and what grows on a volume of their own: docker.storage of the chart',
                `what is large now: ${command('usage', worker.name)}`,
              ]
            : ['the node is short of it: larger requests, or a node pool for workers alone'],
      },
    ];
  });

export const evicted = evictedPods(true);
export const evictedBefore = evictedPods(false);

/** A volume that is not there yet. */
export const volumePending = whenInCluster(({ cluster: { claims, warnings }, kubectl }) =>
  claims
    .filter(({ status }) => status?.phase !== 'Bound')
    .map(({ metadata, spec, status }) => ({
      id: status?.phase === 'Lost' ? 'volume-lost' : 'volume-pending',
      cause: `the volume ${metadata.name} is ${status?.phase ?? 'unknown'}, and the pod waits for it`,
      evidence: [
        `storage class: ${spec?.storageClassName ?? 'the default of the cluster'}`,
        ...about(warnings, metadata.name),
      ],
      next: [
        `which classes there are: ${kubectl('get storageclasses')}`,
        `what it waits for: ${kubectl(`describe persistentvolumeclaim ${metadata.name}`)}`,
      ],
    })),
);

/** What the messages of a failed pull mean. */
const PULLS: readonly (readonly [RegExp, string, string])[] = [
  [
    /unauthorized|authentication required|denied|403 Forbidden|401/i,
    'the registry does not let it in',
    'the release needs a pull secret: imagePullSecrets of the chart',
  ],
  [
    /not found|manifest unknown|does not exist/i,
    'there is no such image or tag',
    'push it, or name one that is there: image.repository, image.tag, image.digest of the release',
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
  ],
];

export const imagePull = whenInCluster(({ cluster: { pod, warnings }, kubectl }) => {
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
      next: [...(known ? [known[2]] : []), `more: ${kubectl(`describe pod ${pod.metadata.name}`)}`],
    },
  ];
});

/** What the scheduler means. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/selector|affinity/, 'nodeSelector of the release names labels that no node has'],
  [/taint/, 'tolerations of the release have to fit the taints of the node pool'],
  [/Insufficient/, 'no node has so much left: smaller resources.requests of the release, or another node'],
  [/ReadWriteOncePod|in-use/, 'another pod still has the volume; it has to end first'],
];

export const unscheduled = whenInCluster(({ cluster: { pod, claims }, kubectl }) => {
  const condition = pod?.status?.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'False',
  );
  if (!pod || condition === undefined || claims.some(({ status }) => status?.phase !== 'Bound')) return [];
  const message = condition.message ?? '';
  const next = HINTS.filter(([pattern]) => pattern.test(message)).map(([, hint]) => hint);
  return [
    {
      id: 'unscheduled',
      cause: 'no node takes the pod',
      evidence: [message],
      next: [...next, `nodes: ${kubectl('get nodes')}`],
    },
  ];
});

export const node = whenInCluster(({ cluster: { node: found, pod }, kubectl, status }) => {
  const name = pod?.spec?.nodeName ?? '';
  const force = `when the machine is gone for good: ${kubectl(`delete pod ${pod?.metadata.name} --force --grace-period=0`)}`;
  if (found === 'gone') {
    return [
      {
        id: 'node-gone',
        cause: `the node ${name} of the pod does not exist any more`,
        evidence: [`kubectl get node ${name}: not found`],
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
  const findings: Finding[] = [];
  if (ready !== undefined && ready.status !== 'True') {
    findings.push({
      id: 'node-not-ready',
      cause: `the node ${name} is not ready: nothing on it can be reached`,
      evidence: [`${ready.reason ?? ''}: ${ready.message ?? ''}`],
      next: [`the node: ${kubectl(`describe node ${name}`)}`, force],
    });
  }
  for (const { type, message } of pressures) {
    findings.push({
      id: 'node-pressure',
      cause: `the node ${name} is under ${type.replace('Pressure', '').toLowerCase()} pressure: it evicts pods`,
      evidence: [message ?? type],
      next: [
        `what runs there: ${kubectl(`get pods --all-namespaces --field-selector=spec.nodeName=${name}`)}`,
      ],
    });
  }
  if (found.spec?.unschedulable === true && status !== 'running') {
    findings.push({
      id: 'node-cordoned',
      cause: `the node ${name} takes no new pods (cordoned)`,
      evidence: ['spec.unschedulable: true'],
      next: [`lift it: ${kubectl(`uncordon ${name}`)}`],
    });
  }
  return findings;
});

/** The pod was found and cannot be entered for want of a permission. */
export const execForbidden = whenInCluster(({ status, problems, cluster: { pod }, kubectl }) => {
  const refused = problems.find(({ id }) => id === 'forbidden');
  if (status !== 'forbidden' || pod === null || refused === undefined || !/pods\/exec/.test(refused.cause))
    return [];
  return [
    {
      id: 'exec-forbidden',
      cause: 'the pod is there, but nobody lets you in: the verb create on pods/exec is missing',
      evidence: [refused.cause, `pod ${pod.metadata.name} is ${pod.status?.phase}`],
      next: [
        `check: ${kubectl('auth can-i create pods/exec')}`,
        `somebody who may grants it: ${kubectl('create role worker-operator --verb=get,list,create --resource=pods,pods/exec')}`,
      ],
    },
  ];
});

/** Reasons of warnings that other rules explain better, or that pass by themselves. */
const EXPLAINED =
  /^(?:Failed|BackOff|Evicted|FailedScheduling|ErrImagePull|InspectFailed|NodeNotReady|MissingClusterDNS)$/;

/** What else Kubernetes warns of, while the worker is not well. */
export const warned = whenInCluster(({ cluster: { warnings, pod }, problems, kubectl }) => {
  if (problems.length === 0 || pod === null) return [];
  const current = warnings.filter(
    ({ involvedObject, reason }) =>
      involvedObject?.name === pod.metadata.name && !EXPLAINED.test(reason ?? ''),
  );
  const latest = new Map(current.map((event) => [event.reason ?? '', event]));
  return [...latest.values()].slice(-3).map(({ reason, message, count }) => ({
    id: `event-${(reason ?? 'warning').toLowerCase()}`,
    cause: `Kubernetes warns of the pod: ${reason}`,
    evidence: [`${message ?? ''}${count && count > 1 ? ` (${count} times)` : ''}`],
    next: [`all events: ${kubectl(`describe pod ${pod.metadata.name}`)}`],
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

/** The messages of the newest events about an object, newest first. */
function about(warnings: readonly EventObject[], name: string | undefined, reason?: string): string[] {
  const texts = warnings
    .filter(
      (event) => event.involvedObject?.name === name && (reason === undefined || event.reason === reason),
    )
    .map(({ message }) => message ?? '');
  return [...new Set(texts.reverse())].slice(0, 3);
}
