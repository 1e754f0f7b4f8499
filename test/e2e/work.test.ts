/** Issues at work, and what interrupts them: each of them comes to its end, and no operator has to do anything for it. */
import { describe, expect, it } from 'vitest';
import { getObject, until } from './cluster.ts';
import { killContainer } from './faults.ts';
import { install, makeNamespace, removeNamespace, standins, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { type Site, useSite } from './site.ts';
import {
  assertSound,
  atWork,
  deletePod,
  finished,
  inWorker,
  LIST_SESSIONS,
  type PodObject,
  readyPod,
  rowsOf,
  WITHOUT_GRACE,
} from './worker.ts';

const speaking = (dialect: string) => ({
  ...WORKING,
  ...standins({ STANDIN_FACTORY_DIALECT: dialect, STANDIN_CLAUDE_WORK_SECONDS: 6 }),
});

type Fault = (site: Site, first: number) => Promise<void>;

/** In the middle of a stage each; the numbers of a fault's issues begin with `first`. */
const FAULTS: Readonly<Record<string, Fault>> = {
  async 'container killed'({ worker, operator }, first) {
    expect(await operator.dispatch(worker, first)).toExitWith(0);
    await atWork(worker, first);
    await killContainer(worker);
    await finished(worker, first);
  },

  async 'pod deleted without grace, another issue waiting'({ worker, operator }, first) {
    expect(await operator.dispatch(worker, first)).toExitWith(0);
    expect(await operator.dispatch(worker, first + 1)).toExitWith(0);
    await atWork(worker, first);
    const pod = await readyPod(worker);
    await deletePod(worker, pod, ...WITHOUT_GRACE);
    await readyPod(worker, pod);
    await finished(worker, first);
    await finished(worker, first + 1);
  },

  async 'orchestrator session killed, then the supervisor'({ worker, operator }, first) {
    expect(await operator.dispatch(worker, first)).toExitWith(0);
    await atWork(worker, first);
    await inWorker(worker, 'tmux kill-session -t =orchestrator');
    await until('the orchestrator session is back', 30, async () =>
      (await inWorker(worker, LIST_SESSIONS)).includes('orchestrator'),
    );
    // The exec ends with the container that the supervisor's end takes with it.
    await inWorker(worker, 'pkill --signal KILL --full "[s]upervisor.js"').catch(() => '');
    await finished(worker, first);
  },
};

describe('an interrupted issue finishes by itself', () => {
  it.concurrent.each(['design', 'a', 'b'])(
    'dialect %s',
    async (dialect) => {
      const namespace = `fwc-work-${dialect}`;
      const worker = workerIn(namespace, 'worker-1');
      const operator = Operator.of([worker]);
      try {
        await makeNamespace(namespace);
        await install(worker, speaking(dialect));
        for (const [index, [name, fault]] of Object.entries(FAULTS).entries()) {
          await fault({ worker, operator }, 10 * (index + 1));
          saw(
            `${name}, dialect ${dialect}: status once the issue is finished`,
            await operator.status(worker),
          );
          await assertSound(worker);
        }
        expect((await rowsOf(worker)).map(({ Issue }) => Issue)).toEqual([10, 20, 21, 30]);
        await until('it runs', 60, async () => (await operator.row(worker)).status === 'running');
      } finally {
        await removeNamespace(namespace);
      }
    },
    900_000,
  );
});

describe('a build for PostgreSQL without its DATABASE_URL', () => {
  const { worker, operator } = useSite('fwc-work-pg', speaking('pg'));

  it('is one sentence, not a crash', async () => {
    const dispatch = await operator.dispatch(worker, 1);
    saw('PostgreSQL build without DATABASE_URL: dispatch', dispatch);
    expect(dispatch).toExitWith(1);
    expect(dispatch.stderr).toContain('DATABASE_URL');
    const list = await operator.list();
    saw('PostgreSQL build without DATABASE_URL: list', list);
    expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +(stuck|degraded)/);
    const pod = await getObject<PodObject>(worker.namespace, 'pod', await readyPod(worker));
    expect(pod.status.containerStatuses?.[0]?.restartCount).toBe(0);
  });
});
