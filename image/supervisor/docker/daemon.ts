/**
 * The worker's Docker daemon: started, monitored, restarted in place with back-off, and stopped. A restart of the pod would
 * kill every session, and a crash loop would leave nothing to inspect; so nothing here ever ends the supervisor.
 */
import { dirname } from 'node:path';
import type { PhaseStatus, Settings } from '../../../scripts/lib/contract.ts';
import type { PhaseResult } from '../boot/run.ts';
import type { Detached, Effects } from '../effects/effects.ts';
import { messageOf } from '../util/errors.ts';
import { duration } from '../util/time.ts';
import { daemonConfig } from './daemon-config.ts';
import type { Engine } from './engine.ts';
import { selectBackend } from './iptables.ts';
import { containersLimit, containersMayUse, limitContainers, podLimit, resizeContainers } from './memory.ts';
import { chooseNetworks, defaultInterface, resolvers } from './network.ts';

const CONFIG_FILE = '/etc/docker/daemon.json';
const LOG_FILE = '/var/log/factory-worker/dockerd.log';
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const TAIL_BYTES = 16 * 1024;

const POLL_MS = 50;
const ANSWER_MS = 100_000;
/** After this many unanswered pings a failure is reported; a machine under load is slow, not dead. */
const MOST_MISSED_PINGS = 3;
/** 1 s, 2 s, 4 s, … at most a minute. It never gives up. */
const BACKOFF_MOST_MS = 60_000;
/** A daemon that ran this long was healthy: its end resets the back-off. */
const STEADY_MS = 5 * 60_000;

const CONTAINER_GRACE_SECONDS = 10;
const STOP_MS = 20_000;

export interface DockerDaemon {
  /** The first start. It returns after a failure too, and is retried in the background. */
  start(signal: AbortSignal): Promise<PhaseResult>;
  /** Called every few seconds: checks whether the daemon still answers, and trims its log. */
  maintain(): Promise<void>;
  isUp(): boolean;
  /** Stops the containers. @returns a message for the log */
  stopContainers(): Promise<string>;
  /** Stops the daemon. */
  stop(signal: AbortSignal): Promise<string>;
}

export interface DaemonOptions {
  readonly settings: () => Settings;
  /** WORKER_MEMORY_LIMIT_BYTES. */
  readonly memoryLimit: string | undefined;
  /** Addresses of the cluster, known from the environment. */
  readonly addresses: readonly string[];
  /** Called at every change after the start has ended. */
  readonly note: (status: PhaseStatus, message: string) => void;
}

export function createDockerDaemon(
  { clock, files, log, processes }: Pick<Effects, 'clock' | 'files' | 'log' | 'processes'>,
  engine: Engine,
  { settings, memoryLimit, addresses, note }: DaemonOptions,
): DockerDaemon {
  let daemon: Detached | null = null;
  let up = false;
  let failures = 0;
  let missedPings = 0;
  let upSince = 0;
  let engineText = '';
  /** Of Docker's cgroup, as it was last set. */
  let limitBytes: number | null = null;
  let limitText = '';
  const readyMessage = () => `${engineText}, ${limitText}`;
  const stopping = new AbortController();

  const wantedLimit = (): number | null =>
    containersLimit(podLimit(files, memoryLimit), settings().docker.memoryReserveBytes);

  const configure = async (): Promise<string> => {
    const routes = files.read('/proc/net/route') ?? '';
    const device = defaultInterface(routes);
    const mtu = Number.parseInt(files.read(`/sys/class/net/${device}/mtu`) ?? '', 10) || 1500;
    const known = [...addresses, ...resolvers(files.read('/etc/resolv.conf') ?? '')];
    const current = settings();
    const config = daemonConfig(current, { mtu, networks: chooseNetworks(routes, known) });
    files.makeDirectory(dirname(CONFIG_FILE));
    files.write(CONFIG_FILE, `${JSON.stringify(config, null, 2)}\n`);
    files.makeDirectory(dirname(LOG_FILE));
    limitBytes = wantedLimit();
    const backend = await selectBackend({ files, processes });
    limitText = limitContainers(files, limitBytes);
    return `iptables ${backend}, MTU ${current.docker.mtu ?? mtu}`;
  };

  /** The last lines of its log, from an offset on. */
  const lastLines = (from = 0): string[] =>
    files
      .readEnd(LOG_FILE, TAIL_BYTES, from)
      .split('\n')
      .filter((line) => line.trim() !== '');

  /** The daemon's last error message, without its time stamp. */
  const lastWords = (from: number): string => {
    const said = lastLines(from);
    const why = said.findLast((line) => /^failed to|level=(fatal|error)/.test(line)) ?? said.at(-1) ?? '';
    return why
      .replace(/^time="[^"]*"\s*/, '')
      .trim()
      .slice(0, 500);
  };

  /** Starts it and waits until it answers, has ended, or the time-out has passed. @returns null, or why it is not up */
  const launch = async (signal: AbortSignal): Promise<string | null> => {
    const facts = await configure();
    const logged = files.size(LOG_FILE);
    const started = clock.now();
    const child = processes.startDetached(['dockerd', '--config-file', CONFIG_FILE], {
      cwd: '/',
      stdoutFile: '/dev/null',
      stderrFile: LOG_FILE,
    });
    let ended: number | null = null;
    void child.exited.then((code) => {
      ended = code;
      if (daemon === child) void died(code, logged);
    });
    try {
      while (ended === null && !signal.aborted && clock.now() - started < ANSWER_MS) {
        if (await engine.ping()) {
          const { driver, version, cgroupVersion } = await engine.info();
          if (ended !== null) break;
          if (driver !== 'overlay2') {
            return `Docker uses the storage driver ${driver} instead of overlay2: see ${LOG_FILE}`;
          }
          daemon = child;
          up = true;
          upSince = clock.now();
          missedPings = 0;
          engineText = `${version}, ${driver}, cgroup v${cgroupVersion}, ${facts}`;
          return null;
        }
        await clock.sleep(POLL_MS, signal);
      }
    } finally {
      // The pid file of a failed daemon would prevent the next one from starting.
      if (daemon !== child) processes.signalGroup(child.pid, 'SIGKILL');
    }
    if (ended !== null) return `dockerd ended with exit code ${ended}: ${lastWords(logged)}`;
    return signal.aborted
      ? 'stopped'
      : `dockerd does not answer after ${duration(ANSWER_MS)}: ${lastWords(logged)}`;
  };

  const attempt = (signal: AbortSignal): Promise<string | null> =>
    launch(signal).catch((error: unknown) => messageOf(error));

  const died = async (code: number, logged: number): Promise<void> => {
    daemon = null;
    up = false;
    if (stopping.signal.aborted) return;
    if (clock.now() - upSince > STEADY_MS) failures = 0;
    await recover(`dockerd ended with exit code ${code}: ${lastWords(logged)}`);
  };

  /** Restarts it until it is up. */
  const recover = async (reason: string): Promise<void> => {
    let why = reason;
    while (!stopping.signal.aborted) {
      failures += 1;
      const pause = Math.min(1000 * 2 ** (failures - 1), BACKOFF_MOST_MS);
      note('failed', `${why} (started again in ${duration(pause)}, attempt ${failures}; log: ${LOG_FILE})`);
      await clock.sleep(pause, stopping.signal);
      if (stopping.signal.aborted) return;
      const complaint = await attempt(stopping.signal);
      if (complaint === null) {
        note('ok', `${readyMessage()}; started again after: ${why}`);
        return;
      }
      why = complaint;
    }
  };

  /** dockerd keeps the file open for appending, so it is truncated in place after its last part has been copied. */
  const trimLog = (): void => {
    if (files.size(LOG_FILE) <= LOG_LIMIT_BYTES) return;
    files.write(`${LOG_FILE}.1`, files.readEnd(LOG_FILE, LOG_LIMIT_BYTES));
    files.overwrite(LOG_FILE, '');
  };

  /** The pod may have been resized: the containers' limit follows it. */
  const followPod = (): void => {
    const wanted = wantedLimit();
    if (wanted === null || wanted === limitBytes || !resizeContainers(files, wanted)) return;
    limitBytes = wanted;
    limitText = containersMayUse(wanted);
    log.line(`the memory limit of the pod has changed: ${limitText}`);
    note('ok', readyMessage());
  };

  return {
    isUp: () => up,

    async start(signal) {
      const complaint = await attempt(AbortSignal.any([signal, stopping.signal]));
      if (complaint === null) return { status: 'ok', message: readyMessage() };
      if (stopping.signal.aborted || signal.aborted) return { status: 'failed', message: complaint };
      for (const line of lastLines().slice(-10)) log.line(`dockerd: ${line}`);
      // Only after the phase has been recorded as failed, so that this note does not come first.
      void clock.sleep(0).then(() => recover(complaint));
      return { status: 'failed', message: complaint };
    },

    async maintain() {
      trimLog();
      if (daemon === null || stopping.signal.aborted) return;
      followPod();
      if (await engine.ping()) {
        if (!up || missedPings >= MOST_MISSED_PINGS) note('ok', readyMessage());
        up = true;
        missedPings = 0;
        return;
      }
      missedPings += 1;
      if (missedPings === MOST_MISSED_PINGS && daemon !== null) {
        up = false;
        note('failed', `dockerd runs and does not answer: see ${LOG_FILE}; to restart it: pkill dockerd`);
      }
    },

    async stopContainers() {
      if (!up) return '';
      const ids = await engine.running();
      await Promise.allSettled(ids.map((id) => engine.stop(id, CONTAINER_GRACE_SECONDS)));
      return ids.length === 0 ? '' : `${ids.length} stopped`;
    },

    async stop(signal) {
      stopping.abort();
      const child = daemon;
      if (child === null) return '';
      // Once: at the fourth SIGTERM dockerd exits without cleaning up.
      processes.signalGroup(child.pid, 'SIGTERM');
      const obeyed = await Promise.race([
        child.exited.then(() => true),
        clock.sleep(STOP_MS, signal).then(() => false),
      ]);
      if (obeyed) return '';
      processes.signalGroup(child.pid, 'SIGKILL');
      return `killed after ${duration(STOP_MS)}`;
    },
  };
}
