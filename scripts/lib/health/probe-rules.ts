/** Rules that need only a probe: about a worker's own programs and its issues. For `status`, `list` and the others. Pure. */
import { describeHold } from '../account.ts';
import { age } from '../cli/text.ts';
import type { WorkerEntry } from '../config/worker-entry.ts';
import { FILES } from '../contract.ts';
import type { Pipeline } from '../factory.ts';
import { setValueCommand } from '../helm/set-value.ts';
import { accountHold, describeAccount, isBlocked, waitsForAccount } from '../worker/account.ts';
import { cloneFaults, cloneHold, describeClone, isBrief } from '../worker/clones.ts';
import { databaseFault } from '../worker/database-state.ts';
import { DISK_FULL, DISK_WARN, type Disk, describeFull, shareUsed } from '../worker/disk.ts';
import { failedDependencies, itemName } from '../worker/queue.ts';
import type { Fault, Snapshot } from '../worker/snapshot.ts';
import { type CommandLine, isSwitchedOff, makeRoom, resumeHint } from '../worker/status.ts';
import { type Finding, type ProbedFacts, type Rule, whenProbed } from './facts.ts';
import { urlTrouble } from './url-trouble.ts';

/** The worker could not be entered. */
export const refused: Rule = ({ refusal }) => (refusal === null ? [] : [refusal]);

/** The worker works, but a part of it does not. */
const DEGRADED = { severity: 'error', status: 'degraded' } as const;

export const supervisorGone = whenProbed(({ worker, snapshot, command }) => {
  if (snapshot.locks.boot || worker.runtime !== 'local') return [];
  return [
    {
      status: 'stopped',
      id: 'stopped',
      cause: 'the worker is not running; its queue waits',
      next: [command('local', 'up', worker.name)],
    },
  ];
});

export const podStops = whenProbed(({ pod }) => {
  if (pod?.state !== 'draining') return [];
  return [{ status: 'draining', id: 'pod-stopping', cause: pod.reason, next: [] }];
});

export const booting = whenProbed(({ snapshot: { boot } }) => {
  if (boot === null || boot.finishedAt !== null) return [];
  const current = boot.phases.filter(({ status }) => status === 'running').map(({ name }) => name);
  return [
    {
      status: 'starting',
      id: 'booting',
      cause: `the worker is starting: ${current.join(', ') || 'first steps'}`,
      next: [],
    },
  ];
});

export const drained = whenProbed(({ worker, snapshot: { drain, locks, heartbeat, now }, command }) => {
  if (drain === null) return [];
  const since = drain.since === '' ? '' : ` for ${age(now - Date.parse(drain.since) / 1000)}`;
  const busy = locks.checkIn && heartbeat?.state === 'checking-in';
  return [
    {
      status: busy ? 'draining' : 'drained',
      id: 'drained',
      cause: `drained by ${drain.by}@${drain.host}${since}: ${drain.reason || 'no reason given'}${busy ? '; the running stage ends first' : ''}`,
      next: [resumeHint(drain, worker.name, command)],
    },
  ];
});

export const switchedOff = whenProbed(({ worker, snapshot: { heartbeat, locks } }) => {
  if (heartbeat === null || !isSwitchedOff(heartbeat) || !locks.boot) return [];
  const on =
    worker.runtime === 'local'
      ? [
          `switch it on: set orchestrator.enabled to true in ${worker.home}/config/${FILES.settings}; it is read at the next tick`,
        ]
      : [`switch it on: ${setValueCommand(worker, 'orchestrator.enabled=true')}`];
  return [
    {
      status: 'drained',
      id: 'switched-off',
      cause:
        'its orchestrator is switched off in its settings: it takes no work, and dispatched issues wait in the queue',
      next: on,
    },
  ];
});

export const loopDead = whenProbed(({ worker, snapshot: { locks }, command }) => {
  if (locks.boot || locks.checkIn || worker.runtime === 'local') return [];
  return [
    {
      status: 'stuck',
      id: 'loop-dead',
      cause: 'no supervisor runs in the worker, so nothing checks in',
      next: [`its boot log: ${command('logs', worker.name, 'boot')}`],
    },
  ];
});

/** How a worker gets the programs that are not on its PATH. */
export function giveItPrograms({ runtime, name }: WorkerEntry, command: CommandLine): string[] {
  if (runtime !== 'local')
    return [`build and release an image that has them: ${command('build-push-rollout')}`];
  return [
    `stop it: ${command('local', 'down', name)}`,
    `then start it with the folder that has them: ${command('local', 'up', name, '--bin', 'DIR')}`,
  ];
}

/** Without its database factory can do nothing. What else fails because of it is evidence here. */
export const databaseGone = whenProbed(({ worker, snapshot, command }) => {
  const database = databaseFault(snapshot);
  if (database === null || !snapshot.locks.boot) return [];
  const { kind, state, says } = database;
  const own = kind === 'postgres';
  const what = own ? 'the worker’s PostgreSQL' : 'the database in DATABASE_URL';
  const trouble = own ? null : urlTrouble(says ?? '');
  const reason = says === undefined ? '' : `: ${says}`;
  const log = command('logs', worker.name, 'postgres', '--lines', '30');
  const again =
    worker.runtime === 'local'
      ? `then start the worker again: ${command('local', 'down', worker.name)} && ${command('local', 'up', worker.name)}`
      : `then start the worker again: ${command('stop', worker.name)} && ${command('start', worker.name)}`;
  return [
    {
      ...(state === 'down'
        ? {
            status: DEGRADED.status,
            id: 'database-down',
            cause: `${what} ${trouble?.what ?? 'does not answer'}, and no work is taken${reason}`,
          }
        : {
            status: 'stuck' as const,
            id: 'database-failed',
            cause: `${what} ${trouble?.what ?? 'cannot be used'}${reason}`,
          }),
      evidence: snapshot.faults.filter(isOfDatabase).map(({ message }) => `factory: ${message}`),
      next: [
        own
          ? `what it says: ${log}`
          : (trouble?.cure ??
            'the worker must be able to reach it, with the user and password in DATABASE_URL'),
        ...(state === 'failed' ? [again] : []),
      ],
    },
  ];
});

/** Whether a part of the probe failed because factory asked its database. */
const isOfDatabase = ({ part }: Fault) => part === 'queue' || part === 'pipelines';

export const loopRefuses = whenProbed(({ worker, snapshot, command }) => {
  const { heartbeat } = snapshot;
  if (heartbeat?.state !== 'refused' || isSwitchedOff(heartbeat)) return [];
  // Other rules say more about a database, an account and a clone.
  if (databaseFault(snapshot) !== null) return [];
  if (heartbeat.account && heartbeat.reason === describeHold(heartbeat.account)) return [];
  if (cloneHold({ heartbeat }) !== undefined) return [];
  const reason = heartbeat.reason ?? 'no reason given';
  const volumeFull = /^the docker volume is \d+ % full/.exec(reason);
  const docker = (...args: string[]) => command('exec', worker.name, '--', 'docker', ...args);
  return [
    volumeFull === null
      ? {
          status: 'stuck',
          id: 'loop-refuses',
          cause: `no check-in: ${reason}`,
          next: reason.includes(' does not find ') ? giveItPrograms(worker, command) : [],
        }
      : {
          status: 'stuck',
          id: 'docker-volume-full',
          cause: `no work is taken: ${volumeFull[0]}`,
          next: [
            `what fills it: ${docker('system', 'df')}`,
            `remove what is unused: ${docker('system', 'prune')}`,
            `volumes are never removed automatically: ${docker('volume', 'ls')}`,
          ],
        },
  ];
});

/** Not stuck: the worker continues automatically, and its queue is unchanged. */
export const accountHeld = whenProbed(({ worker, snapshot, command }) => {
  const hold = accountHold(snapshot);
  if (hold === null || !snapshot.locks.boot) return [];
  return [
    {
      status: 'degraded',
      ...describeAccount(hold, worker, command),
      evidence: [
        ...(hold.text === '' ? [] : [`${hold.cause === 'unheard' ? 'claude' : 'claude said'}: ${hold.text}`]),
        `no work is taken since ${hold.since}`,
        ...hold.sessions.map((session) => `${session} could not work; it is retried automatically`),
      ],
    },
  ];
});

export const mainCheckouts = whenProbed(({ worker, snapshot, inside, command }) => {
  if (!snapshot.locks.boot) return [];
  return (
    cloneFaults(snapshot)
      // A fault that may pass in a moment is reported by `why` only.
      .filter((fault) => inside !== null || !isBrief(fault, snapshot.now))
      .map((fault) => ({
        severity: fault.holds ? ('error' as const) : ('warning' as const),
        // An unreachable remote usually comes back.
        status: !fault.holds ? null : fault.cause === 'fetch-failed' ? DEGRADED.status : ('stuck' as const),
        ...describeClone(fault, worker.name, command),
        evidence: [...(fault.said === '' ? [] : [`git: ${fault.said}`]), `heartbeat: since ${fault.since}`],
      }))
  );
});

export const partsFailed = whenProbed(({ snapshot, inside }) => {
  const gone = snapshot.locks.boot && databaseFault(snapshot) !== null;
  const faults = gone ? snapshot.faults.filter((fault) => !isOfDatabase(fault)) : snapshot.faults;
  // Another rule says more about tmux when its panes were read.
  const told = inside === null ? faults : faults.filter(({ part }) => part !== 'sessions');
  // Without its queue the worker is stuck; the other parts are less important.
  const worstFirst = told.toSorted((a, b) => Number(b.part === 'queue') - Number(a.part === 'queue'));
  return worstFirst.map(({ part, message }) => ({
    ...(part === 'queue' ? { severity: 'error' as const, status: 'stuck' as const } : {}),
    id: `probe-${part}`,
    cause: `${PART_FAILED[part] ?? part.replace(/-rest$/, '')}: ${message}`,
    next: [],
  }));
});

export const phasesFailed = whenProbed(({ worker, snapshot: { boot, heartbeat }, docker, command }) => {
  // The phase that checked the same thing at boot would repeat the loop's own reason.
  const said = heartbeat?.state === 'refused' ? heartbeat.reason : null;
  const wrong = (boot?.phases ?? []).filter(
    ({ name, status, message }) =>
      (status === 'failed' || status === 'missing') &&
      message !== said &&
      // Another rule says more about a daemon that is down now.
      !(name === 'docker' && docker?.driver === null),
  );
  const cures: Readonly<Record<string, string>> = {
    docker: `its log: ${command('logs', worker.name, 'docker')}`,
    credentials: `give it tokens that work: ${command('rotate', worker.name)}`,
  };
  return wrong.map(({ name, status, message }) => {
    const cure = cures[name];
    // Another token would not help where GitHub did not answer.
    const isOffline = name === 'credentials' && message.startsWith('GitHub cannot be reached');
    const look = `what it sees: ${command('exec', worker.name, '--', 'gh', 'auth', 'status')}`;
    return {
      severity: 'error' as const,
      // The other phases do not keep a worker from working.
      status: cure === undefined ? null : DEGRADED.status,
      id: `phase-${name}`,
      cause: `${name} ${status}: ${message}`,
      next: isOffline ? [look] : cure === undefined ? [] : [cure],
    };
  });
});

export const diskFull = whenProbed(({ worker, snapshot: { disk }, command }) => {
  const verdict = disk === null ? null : judgeDisk(disk);
  if (verdict === null) return [];
  return [
    {
      id: 'disk-full',
      cause: verdict.cause,
      ...(verdict.severity === 'error' ? DEGRADED : {}),
      next: [makeRoom(worker.name, command)],
    },
  ];
});

export const podNotReady = whenProbed(({ pod }) => {
  if (pod === null || pod.ready || pod.state === 'draining') return [];
  return [{ id: 'pod-not-ready', cause: `pod ${pod.name} is not Ready`, next: [] }];
});

const PART_FAILED: Readonly<Record<string, string>> = {
  queue: 'factory cannot read its queue',
  pipelines: 'factory cannot report its status',
  sessions: 'tmux does not answer',
};

/** Below this, a disk with free space may soon accept no more files. */
const INODES_LOW_PERCENT = 5;

/** Whether a disk is full, or nearly; null when it has room. */
export function judgeDisk(disk: Disk): Pick<Finding, 'severity' | 'cause'> | null {
  const used = shareUsed(disk);
  if (used >= DISK_WARN)
    return { severity: used < DISK_FULL ? 'warning' : 'error', cause: describeFull(disk) };
  const { freeInodesPercent: inodes = null } = disk;
  return inodes !== null && inodes < INODES_LOW_PERCENT
    ? { severity: 'warning', cause: `${describeFull(disk)}, but only ${inodes}% of its inodes are free` }
    : null;
}

/** A thinking agent prints something every few seconds; factory itself looks every half minute. */
const SILENT_SECONDS = 10 * 60;

export const inProgress = ({ pipelines }: Snapshot) =>
  pipelines.filter(({ status }) => status === 'in_progress');

export const says = ({ issue, status, stage, attempt }: Pipeline) =>
  `factory status: #${issue} ${status}, stage ${stage}, attempt ${attempt}`;

/** Evidence about an issue: the last check-in's message, and its last failure in the loop's log. */
export function lastWords(
  { snapshot, inside }: Pick<ProbedFacts, 'snapshot' | 'inside'>,
  issue: number,
): string[] {
  const action = snapshot.heartbeat?.actions.find((candidate) => candidate.issue === issue);
  const own = (inside?.failures ?? []).filter((line) => new RegExp(`#${issue} `).test(line));
  // The line with claude's own words may come before or after factory's.
  const failures = new Set([own.findLast((line) => line.includes(': claude said: ')), own.at(-1)]);
  return [
    ...(action
      ? [`last check-in: #${issue} ${action.action}${action.message ? `: ${action.message}` : ''}`]
      : []),
    ...[...failures].flatMap((line) => (line === undefined ? [] : [`the loop's log: ${line}`])),
  ];
}

export const repairsGivenUp = whenProbed(({ worker, snapshot: { repairs, pipelines }, command }) => {
  return pipelines.flatMap((pipeline) => {
    if (pipeline.status !== 'in_progress') return [];
    const last = repairs.findLast(
      ({ issue, stage, attempt }) =>
        issue === pipeline.issue && stage === pipeline.stage && attempt === pipeline.attempt,
    );
    if (last?.action !== 'give-up') return [];
    return [
      {
        status: 'stuck' as const,
        id: 'repairs-given-up',
        cause: `#${pipeline.issue} was interrupted in stage ${pipeline.stage}, and the automatic retries are exhausted`,
        next: [
          `start it again: ${command('unstick', worker.name, String(pipeline.issue))}`,
          `which runs in the worker: ${last.cure.trim().replaceAll('\n', '; ')}`,
        ],
      },
    ];
  });
});

/** Active without a pipeline: for a moment whenever an issue is taken, for ever when that was interrupted. */
export const requeuesGivenUp = whenProbed(({ worker, snapshot: { queue, repairs, pipelines }, command }) => {
  return queue.flatMap(({ issue, status }) => {
    if (status !== 'active' || pipelines.some((pipeline) => pipeline.issue === issue)) return [];
    const last = repairs.findLast((repair) => repair.issue === issue && repair.stage === '');
    if (last?.action !== 'give-up') return [];
    return [
      {
        status: 'stuck' as const,
        id: 'requeues-given-up',
        cause: `#${issue} was taken from the queue and not begun, and the automatic requeues are exhausted`,
        next: [`put it back: ${command('queue', worker.name, 'requeue', String(issue))}`],
      },
    ];
  });
});

export const blocked = whenProbed(({ worker, snapshot, inside, command }) =>
  snapshot.pipelines
    .filter((pipeline) => isBlocked(snapshot, pipeline))
    .map((pipeline) => ({
      status: 'stuck' as const,
      id: 'pipeline-blocked',
      cause: `#${pipeline.issue} is blocked at stage ${pipeline.stage}, and the queue waits behind it`,
      evidence: [says(pipeline), ...lastWords({ snapshot, inside }, pipeline.issue)],
      next: [
        `try the stage again: ${command('unstick', worker.name, String(pipeline.issue))}`,
        `give it up, so that the queue continues: ${command('unstick', worker.name, String(pipeline.issue), '--give-up')}`,
      ],
    })),
);

export const ASKS = 'asks';

/** An agent asks the operator. Where the panes are known, another rule says what. */
export const asks = whenProbed(({ snapshot: { heartbeat, locks }, panes, worker, command }) => {
  const session = heartbeat?.asks;
  if (!session || !locks.checkIn || panes !== null) return [];
  return [
    {
      status: 'degraded',
      id: ASKS,
      cause: `the session ${session} asks a question, and its stage waits until it is answered`,
      next: [`answer it: ${command('answer', worker.name, session)}`],
    },
  ];
});

/** A stage that has printed nothing for a long time: it hangs, or thinks. */
export const silent = whenProbed(({ snapshot, worker, command }) => {
  if (!snapshot.locks.checkIn) return [];
  return inProgress(snapshot).flatMap((pipeline) => {
    if (waitsForAccount(snapshot, pipeline)) return [];
    const session = snapshot.sessions.find(({ name }) => name === pipeline.session);
    if (session === undefined || snapshot.now - session.activityAt < SILENT_SECONDS) return [];
    if (session.name === snapshot.heartbeat?.asks) return [];
    return [
      {
        status: 'degraded' as const,
        id: 'silent',
        cause: `the session ${session.name} of #${pipeline.issue} has been silent for ${age(snapshot.now - session.activityAt)}`,
        evidence: [
          says(pipeline),
          `a check-in has waited for it since ${snapshot.heartbeat?.startedAt ?? 'a while'}`,
        ],
        next: [
          `look: ${command('peek', worker.name, '--session', session.name)}`,
          `give the issue up, so that the queue continues: ${command('unstick', worker.name, String(pipeline.issue), '--give-up')}`,
        ],
      },
    ];
  });
});

/** A row whose dependency has failed waits silently. */
export const dependencyFailed = whenProbed(({ snapshot: { queue }, worker, command }) => {
  const failedDependency = failedDependencies(queue);
  return queue
    .filter(({ status }) => status === 'pending')
    .flatMap((row) => {
      const failed = failedDependency(row);
      if (failed === undefined) return [];
      return [
        {
          id: 'dependency-failed',
          cause: `${itemName(row)} waits for #${failed.issue}, which has failed: it will never start by itself`,
          evidence: [
            `factory queue: #${row.issue} pending, depends on ${row.dependsOn.map((n) => `#${n}`).join(', ')}; #${failed.issue} ${failed.status}`,
          ],
          next: [
            `run #${failed.issue} again: ${command('queue', worker.name, 'requeue', String(failed.issue))}`,
            `remove #${failed.issue}: ${command('queue', worker.name, 'remove', String(failed.issue))}`,
          ],
        },
      ];
    });
});

/** The first row cannot be started, and the others wait behind it. */
export const rowSkipped = whenProbed(({ snapshot, worker, command }) =>
  (snapshot.heartbeat?.actions ?? [])
    .filter(({ action, message }) => action === 'skip' && /intent|failed to fetch issue/.test(message ?? ''))
    .map(({ issue, message }) => ({
      id: 'row-without-intent',
      cause: `#${issue} is skipped at every check-in, and the queue waits behind it: it has no intent`,
      evidence: [`last check-in: ${message}`],
      next: [
        `give it an intent: ${command('queue', worker.name, 'set-intent', String(issue), 'Users can …')}`,
        `or remove it: ${command('queue', worker.name, 'remove', String(issue))}`,
      ],
    })),
);
