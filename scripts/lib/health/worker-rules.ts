/** Rules about a worker's own programs: its supervisor and boot, drains, tmux, its account and the volume of its state. Pure. */
import { describeHold } from '../account.ts';
import { age } from '../cli/text.ts';
import { FILES } from '../contract.ts';
import { wayOutOf } from '../drain/way-out.ts';
import { setValueCommand } from '../helm/set-value.ts';
import { accountHold, describeAccount } from '../worker/account.ts';
import { isSwitchedOff, makeRoom } from '../worker/status.ts';
import { type Rule, whenEntered, whenProbed } from './facts.ts';
import { judgeDisk } from './pod-rules.ts';

/** There was no way in. */
export const refused: Rule = ({ refusal }) => (refusal === null ? [] : [refusal]);

/** The worker works, and something of it does not. */
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
      next: [wayOutOf(drain, worker.name, command)],
    },
  ];
});

export const switchedOff = whenProbed(({ worker, snapshot: { heartbeat, locks } }) => {
  if (heartbeat === null || !isSwitchedOff(heartbeat) || !locks.boot) return [];
  const on =
    worker.runtime === 'local'
      ? [
          `switch it on: set orchestrator.enabled to true in ${worker.home}/config/${FILES.settings}; it is read again at the next tick`,
        ]
      : [`switch it on: ${setValueCommand(worker, 'orchestrator.enabled=true')}`];
  return [
    {
      status: 'drained',
      id: 'switched-off',
      cause:
        'its orchestrator is switched off, as its settings say: it takes no work, and what is dispatched waits in the queue',
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
      next: [`what its boot said: ${command('logs', worker.name, 'boot')}`],
    },
  ];
});

export const loopRefuses = whenProbed(({ worker, snapshot: { heartbeat }, command }) => {
  if (heartbeat?.state !== 'refused' || isSwitchedOff(heartbeat)) return [];
  // Another rule says more.
  if (heartbeat.account && heartbeat.reason === describeHold(heartbeat.account)) return [];
  const reason = heartbeat.reason ?? 'no reason given';
  const volumeFull = /^the docker volume is \d+ % full/.exec(reason);
  const docker = (...args: string[]) => command('exec', worker.name, '--', 'docker', ...args);
  return [
    volumeFull === null
      ? { status: 'stuck', id: 'loop-refuses', cause: `no check-in: ${reason}`, next: [] }
      : {
          status: 'stuck',
          id: 'docker-volume-full',
          cause: `no work is taken: ${volumeFull[0]}`,
          next: [
            `what fills it: ${docker('system', 'df')}`,
            `free what nothing uses: ${docker('system', 'prune')}`,
            `volumes are never removed unasked: ${docker('volume', 'ls')}`,
          ],
        },
  ];
});

/** Not stuck: it goes on by itself, and nothing of its queue is lost. */
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
        ...hold.sessions.map((session) => `${session} could not work; it is run again by itself`),
      ],
    },
  ];
});

export const partsFailed = whenProbed(({ snapshot: { faults }, inside }) => {
  // Of tmux and its panes another rule says more, where somebody has looked at them.
  const told = inside === null ? faults : faults.filter(({ part }) => part !== 'sessions');
  // Without its queue the worker is stuck; the rest is a nuisance.
  const worstFirst = told.toSorted((a, b) => Number(b.part === 'queue') - Number(a.part === 'queue'));
  return worstFirst.map(({ part, message }) => ({
    ...(part === 'queue' ? { severity: 'error' as const, status: 'stuck' as const } : {}),
    id: `probe-${part}`,
    cause: `${PART_FAILED[part] ?? part.replace(/-rest$/, '')}: ${message}`,
    next: [],
  }));
});

export const phasesFailed = whenProbed(({ worker, snapshot: { boot, heartbeat }, docker, command }) => {
  // What the loop refuses for has been said; the phase that looked ahead for it says the same.
  const said = heartbeat?.state === 'refused' ? heartbeat.reason : null;
  const wrong = (boot?.phases ?? []).filter(
    ({ name, status, message }) =>
      (status === 'failed' || status === 'missing') &&
      message !== said &&
      // Of a daemon that is down when it is asked, another rule says more.
      !(name === 'docker' && docker?.driver === null),
  );
  const cures: Readonly<Record<string, string>> = {
    docker: `its log: ${command('logs', worker.name, 'docker')}`,
    credentials: `give it tokens that work: ${command('rotate', worker.name)}`,
  };
  return wrong.map(({ name, status, message }) => {
    const cure = cures[name];
    return {
      ...(cure === undefined ? {} : DEGRADED),
      id: `phase-${name}`,
      cause: `${name} ${status}: ${message}`,
      next: cure === undefined ? [] : [cure],
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

/** tmux itself does not answer: with its server every session is gone. */
export const tmuxGone = whenEntered(({ snapshot: { faults }, worker, command }) =>
  faults
    .filter(({ part }) => part === 'sessions')
    .map(({ message }) => ({
      id: 'tmux-gone',
      cause: 'the tmux server is gone, and with it every session',
      evidence: [`tmux: ${message}`],
      next: [
        `the supervisor starts it again; see: ${command('logs', worker.name, 'boot')}`,
        `what the sessions said: ${command('sessions', worker.name)}`,
      ],
    })),
);

const PART_FAILED: Readonly<Record<string, string>> = {
  queue: 'factory cannot read its queue',
  pipelines: 'factory cannot tell its status',
  sessions: 'tmux does not answer',
};
