/** Issues at work, and what interrupts them: each of them comes to its end, and no operator has to do anything for it. */
import { describe, expect, it } from 'vitest';
import { until } from './cluster.ts';
import { speaking, useCrew } from './crew.ts';
import { killContainer } from './faults.ts';
import { saw } from './seen.ts';
import { useSite } from './site.ts';
import {
  containerOf,
  deletePod,
  inPod,
  inWorker,
  LIST_SESSIONS,
  readyPod,
  type TestWorker,
  WITHOUT_GRACE,
} from './worker.ts';

interface Fault {
  readonly name: string;
  readonly strike: (worker: TestWorker) => Promise<unknown>;
}

/** No two in a row that end the container of the same pod: the kubelet would wait before it starts it again. */
const FAULTS: readonly Fault[] = [
  { name: 'container killed', strike: killContainer },
  {
    name: 'pod deleted without grace',
    async strike(worker) {
      const pod = await readyPod(worker);
      await deletePod(worker, pod, ...WITHOUT_GRACE);
      await readyPod(worker, pod);
    },
  },
  {
    name: 'orchestrator session killed, then the supervisor',
    async strike(worker) {
      await inWorker(worker, 'tmux kill-session -t =orchestrator');
      await until('the orchestrator session is back', 30, async () =>
        (await inWorker(worker, LIST_SESSIONS)).includes('orchestrator'),
      );
      // The exec ends with the container that the supervisor's end takes with it.
      await inWorker(worker, 'pkill --signal KILL --full "[s]upervisor.js"').catch(() => '');
    },
  },
  {
    name: 'pod evicted for disk',
    async strike(worker) {
      const pod = await readyPod(worker);
      await inPod(worker, pod, 'head --bytes 200M /dev/zero >/srv/hog');
      await readyPod(worker, pod);
    },
  },
  {
    name: 'container OOM-killed',
    async strike(worker) {
      await inWorker(worker, 'head --bytes 2G /dev/zero | tail --bytes 1G >/dev/null; true');
      const pod = await killContainer(worker);
      await until('Kubernetes says OOMKilled', 60, async () => {
        const { lastState } = (await containerOf(worker, pod)) ?? {};
        return lastState?.terminated?.reason === 'OOMKilled';
      });
    },
  },
];

describe('issues at work', () => {
  const crew = useCrew('fwc-work', {
    resources: {
      requests: { cpu: '50m', memory: '128Mi', 'ephemeral-storage': '50Mi' },
      limits: { memory: '500Mi', 'ephemeral-storage': '120Mi' },
    },
  });

  it.each(FAULTS.map(({ name, strike }) => [name, strike] as const))('are interrupted: %s', (name, strike) =>
    crew.interrupted(name, () => crew.each(strike)),
  );

  it('finish by themselves, each once', () => crew.finishes());
});

describe('a build for PostgreSQL without its DATABASE_URL', () => {
  const { worker, operator } = useSite('fwc-work-pg', speaking('c'));

  it('is one sentence, not a crash', async () => {
    const dispatch = await operator.dispatch(worker, 1);
    saw('PostgreSQL build without DATABASE_URL: dispatch', dispatch);
    expect(dispatch).toExitWith(1);
    expect(dispatch.stderr).toContain('DATABASE_URL');
    const list = await operator.list();
    saw('PostgreSQL build without DATABASE_URL: list', list);
    expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +(stuck|degraded)/);
    expect(await containerOf(worker, await readyPod(worker))).toMatchObject({ restartCount: 0 });
  });
});
