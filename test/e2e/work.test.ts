/** Issues at work, and what interrupts them: each of them comes to its end, and no operator has to do anything for it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getObject, killContainer, kubectl, until } from './cluster.ts';
import { saw } from './seen.ts';
import { Site } from './site.ts';
import {
  assertSound,
  finished,
  inWorker,
  listOne,
  type PodObject,
  readyPod,
  removeNamespace,
  rowsOf,
  standins,
  WORKING,
} from './worker.ts';

const stands = (dialect: string) => ({
  ...WORKING,
  ...standins({ STANDIN_FACTORY_DIALECT: dialect, STANDIN_CLAUDE_WORK_SECONDS: 6 }),
});

/** Waits until an agent is at work on an issue. */
async function atWork({ worker }: Site, issue: number): Promise<void> {
  await until(`an agent works on #${issue}`, 90, async () =>
    (await inWorker(worker, 'tmux list-sessions -F "#{session_name}"')).includes(`${issue}-`),
  );
}

async function uidOf({ worker }: Site): Promise<string> {
  return (await getObject<PodObject>(worker.namespace, 'pod', await readyPod(worker))).metadata.uid;
}

type Fault = (site: Site, first: number) => Promise<void>;

/** In the middle of a stage each; the numbers of a fault's issues begin with `first`. */
const FAULTS: Readonly<Record<string, Fault>> = {
  async 'container killed'(site, first) {
    expect((await site.dispatch(first)).code).toBe(0);
    await atWork(site, first);
    killContainer(await uidOf(site));
    await finished(site.worker, first);
  },

  async 'pod deleted without grace, another issue waiting'(site, first) {
    expect((await site.dispatch(first)).code).toBe(0);
    expect((await site.dispatch(first + 1)).code).toBe(0);
    await atWork(site, first);
    const pod = await readyPod(site.worker);
    const args = ['delete', 'pod', pod, '--grace-period=0', '--force', '--wait=false'];
    await kubectl('-n', site.worker.namespace, ...args);
    await readyPod(site.worker, pod);
    await finished(site.worker, first);
    await finished(site.worker, first + 1);
  },

  async 'orchestrator session killed, then the supervisor'(site, first) {
    expect((await site.dispatch(first)).code).toBe(0);
    await atWork(site, first);
    await inWorker(site.worker, 'tmux kill-session -t =orchestrator');
    await until('the orchestrator session is back', 30, async () =>
      (await inWorker(site.worker, 'tmux list-sessions -F "#{session_name}"')).includes('orchestrator'),
    );
    // The exec ends with the container that the supervisor's end takes with it.
    await inWorker(site.worker, 'pkill --signal KILL --full "[s]upervisor.js"').catch(() => '');
    await finished(site.worker, first);
  },
};

describe('an interrupted issue finishes by itself', () => {
  it.concurrent.each(['design', 'a', 'b'])(
    'dialect %s',
    async (dialect) => {
      const site = new Site(`fwc-work-${dialect}`);
      try {
        await site.open(stands(dialect));
        for (const [index, [name, fault]] of Object.entries(FAULTS).entries()) {
          await fault(site, 10 * (index + 1));
          saw(`${name}, dialect ${dialect}: status once the issue is finished`, await site.status());
          await assertSound(site.worker);
        }
        expect((await rowsOf(site.worker)).map(({ Issue }) => Issue)).toEqual([10, 20, 21, 30]);
        await until(
          'the worker runs',
          60,
          async () => (await listOne(site.worker, site.file)).status === 'running',
        );
      } finally {
        await removeNamespace(site.namespace);
      }
    },
    900_000,
  );
});

describe('a build for PostgreSQL without its DATABASE_URL', () => {
  const site = new Site('fwc-work-pg');
  beforeAll(() => site.open(stands('pg')));
  afterAll(() => removeNamespace(site.namespace));

  it('is one sentence, not a crash', async () => {
    const dispatch = await site.dispatch(1);
    saw('PostgreSQL build without DATABASE_URL: dispatch', dispatch);
    expect(dispatch.code).toBe(1);
    expect(dispatch.stderr).toContain('DATABASE_URL');
    const list = await site.list();
    saw('PostgreSQL build without DATABASE_URL: list', list);
    expect(list.stdout).toMatch(/worker-1 +factory-worker-1 +(stuck|degraded)/);
    const { metadata, status } = await getObject<PodObject>(
      site.namespace,
      'pod',
      await readyPod(site.worker),
    );
    expect(metadata.deletionTimestamp).toBeUndefined();
    expect(status.containerStatuses?.[0]?.restartCount).toBe(0);
  });
});
